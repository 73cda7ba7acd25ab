package cli

import (
	"context"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/humane"
)

type userCmd struct {
	List   userListCmd   `cmd:"" help:"List the team's users, programs and pending invitations." example:"muster user list"`
	Get    userGetCmd    `cmd:"" help:"Show one user." example:"muster user get ada@example.com"`
	Invite userInviteCmd `cmd:"" help:"Invite a person; prints a link to pass on, once." example:"muster user invite ada@example.com --role editor --group beta"`
	Create userCreateCmd `cmd:"" help:"Create an account for a person who has none, with a password that you choose." example:"muster user create ada@example.com --role viewer"`
	Role   userRoleCmd   `cmd:"" help:"Change the role of a user or program." example:"muster user role ada@example.com admin"`
	Groups userGroupsCmd `cmd:"" help:"Set the groups of a user or program, replacing all it had." example:"muster user groups ada@example.com beta eu"`
	Remove userRemoveCmd `cmd:"" help:"Remove users and programs from the team, or revoke invitations." example:"muster user remove ada@example.com"`
}

// allGroups stands for every group the team has at the moment.
const allGroups = "*"

type userListCmd struct{ remote }

// Run lists users.
func (c *userListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.TeamUser, error) { return s.Users(ctx) }, func(t *table, users []api.TeamUser) {
		t.row("EMAIL", "ROLE", "KIND", "STATUS", "JOINED", "GROUPS")
		for _, u := range users {
			t.row(u.Email, u.Role, kindOf(u), statusOf(u), u.Joined, u.Groups)
		}
	})
}

func kindOf(u api.TeamUser) string {
	return map[bool]string{true: "program", false: "person"}[u.Program]
}

func statusOf(u api.TeamUser) string {
	if u.Expires != nil {
		return u.Status + ", expires " + cell(u.Expires)
	}
	return u.Status
}

type userGetCmd struct {
	remote
	Email string `arg:"" help:"Email address." complete:"user"`
}

// Run shows a user.
func (c *userGetCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.TeamUser, error) { return s.User(ctx, c.Email) }, drawUser)
}

func drawUser(t *table, u api.TeamUser) {
	t.row("email", u.Email)
	t.row("kind", kindOf(u))
	t.row("role", u.Role)
	t.row("groups", u.Groups)
	t.row("status", statusOf(u))
	t.row("joined", u.Joined)
}

// place is the role and groups of a new user.
type place struct {
	Role      string   `required:"" enum:"admin,editor,viewer" help:"Role: admin, editor or viewer." placeholder:"ROLE"`
	Group     []string `short:"g" xor:"groups" help:"A group; repeat for several. Editors and viewers see the devices in their groups, and those in no group." placeholder:"GROUP" complete:"group"`
	AllGroups bool     `xor:"groups" help:"All groups that the team has now."`
}

func (p place) groups() api.Names {
	if p.AllGroups {
		return api.Names{allGroups}
	}
	return p.Group
}

type userInviteCmd struct {
	remote
	place
	Email string `arg:"" help:"Email address of the person."`
}

// Run creates an invitation.
func (c *userInviteCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.AddedUser, error) {
		return s.AddUser(ctx, api.NewUser{Email: c.Email, Role: c.Role, Groups: c.groups()})
	}, func(t *table, added api.AddedUser) {
		drawUser(t, added.TeamUser)
		if added.Invitation != nil {
			t.line("Pass this link on. It is shown only once and works once: %s", added.Invitation.Link)
			t.line("Or, on a command line: muster accept '%s'", added.Invitation.Link)
		}
	})
}

type userCreateCmd struct {
	remote
	place
	Email string `arg:"" help:"Email address of the account."`
}

// Run creates an account. The password comes from the terminal or from the first line of
// standard input, because everyone on the machine can read a command line.
func (c *userCreateCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.AddedUser, error) {
		password, err := newPassword(ctx, "Password for "+c.Email)
		if err != nil {
			return api.AddedUser{}, err
		}
		return s.AddUser(ctx, api.NewUser{Email: c.Email, Role: c.Role, Groups: c.groups(), Password: password})
	}, func(t *table, added api.AddedUser) { drawUser(t, added.TeamUser) })
}

type userRoleCmd struct {
	remote
	Email string `arg:"" help:"Email address." complete:"user"`
	Role  string `arg:"" enum:"admin,editor,viewer" help:"Role: admin, editor or viewer."`
}

// Run sets a role.
func (c *userRoleCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.TeamUser, error) {
		return s.UpdateUser(ctx, c.Email, api.UserUpdate{Role: c.Role})
	}, drawUser)
}

type userGroupsCmd struct {
	remote
	Email string   `arg:"" help:"Email address." complete:"user"`
	Group []string `arg:"" optional:"" help:"All groups the user is to have." complete:"group"`
	All   bool     `help:"All groups that the team has now."`
	None  bool     `help:"No groups: editors and viewers then see only devices in no group."`
}

// Run sets the groups of a user.
func (c *userGroupsCmd) Run(ctx context.Context) error {
	given := 0
	for _, yes := range []bool{len(c.Group) > 0, c.All, c.None} {
		if yes {
			given++
		}
	}
	if given != 1 {
		return Misuse("which groups? Name them, or give --all or --none")
	}
	groups := append(api.Names{}, c.Group...)
	if c.All {
		groups = api.Names{allGroups}
	}
	return ask(ctx, c, func(s server) (api.TeamUser, error) {
		return s.UpdateUser(ctx, c.Email, api.UserUpdate{Groups: api.Some(groups)})
	}, drawUser)
}

type userRemoveCmd struct {
	remote
	agree
	Email []string `arg:"" help:"Email addresses." complete:"user"`
}

// Run removes users.
func (c *userRemoveCmd) Run(ctx context.Context) error {
	if _, err := c.reach(ctx); err != nil {
		return err // before asking
	}
	if err := c.confirm(ctx, "Remove %s from the team and revoke their tokens: %s?", humane.Count(len(c.Email), "user"), clipIDs(c.Email)); err != nil {
		return err
	}
	return each(ctx, c, c.Email, (*client.Client).RemoveUser, "removed")
}
