package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/humane"
)

type userCmd struct {
	List   userListCmd   `cmd:"" help:"List the team's users, programs and open invitations." example:"muster user list"`
	Get    userGetCmd    `cmd:"" help:"Show one user." example:"muster user get ada@example.com"`
	Invite userInviteCmd `cmd:"" help:"Invite a person; prints a link to pass on, this once." example:"muster user invite ada@example.com --role editor --group beta"`
	Create userCreateCmd `cmd:"" help:"Make an account with a password that you choose, for somebody who has none." example:"muster user create ada@example.com --role viewer"`
	Role   userRoleCmd   `cmd:"" help:"Give a user or a program another role." example:"muster user role ada@example.com admin"`
	Groups userGroupsCmd `cmd:"" help:"Say which groups a user or a program holds: all of them at once." example:"muster user groups ada@example.com beta eu"`
	Remove userRemoveCmd `cmd:"" help:"Remove users and programs from the team, or take invitations back." example:"muster user remove ada@example.com"`
}

// allGroups stands for every group the team has at the moment.
const allGroups = "*"

type userListCmd struct{ remote }

// Run lists users.
func (c *userListCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	users, err := client.Users(ctx)
	if err != nil {
		return err
	}
	return c.show(users, func(t *table) {
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
		return u.Status + ", ends " + cell(u.Expires)
	}
	return u.Status
}

type userGetCmd struct {
	remote
	Email string `arg:"" help:"Who." complete:"user"`
}

// Run shows one.
func (c *userGetCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	u, err := client.User(ctx, c.Email)
	if err != nil {
		return err
	}
	return c.show(u, func(t *table) { drawUser(t, u) })
}

func drawUser(t *table, u api.TeamUser) {
	t.row("email", u.Email)
	t.row("kind", kindOf(u))
	t.row("role", u.Role)
	t.row("groups", u.Groups)
	t.row("status", statusOf(u))
	t.row("joined", u.Joined)
}

// place is what a new user gets.
type place struct {
	Role      string   `required:"" enum:"admin,editor,viewer" help:"admin, editor or viewer." placeholder:"ROLE"`
	Group     []string `short:"g" xor:"groups" help:"A group; several: each of them. An editor or viewer sees devices in these, and devices in none." placeholder:"GROUP" complete:"group"`
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
	Email string `arg:"" help:"Who is invited."`
}

// Run makes an invitation.
func (c *userInviteCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	added, err := client.AddUser(ctx, api.NewUser{Email: c.Email, Role: c.Role, Groups: c.groups()})
	if err != nil {
		return err
	}
	return c.show(added, func(t *table) {
		drawUser(t, added.TeamUser)
		if added.Invitation != nil {
			t.line("Pass this link on; it is shown this once and works once: %s", added.Invitation.Link)
			t.line("Or, on a command line: muster accept '%s'", added.Invitation.Link)
		}
	})
}

type userCreateCmd struct {
	remote
	place
	Email string `arg:"" help:"Whose account it is."`
}

// Run makes an account. The password comes from the terminal, or from the first line of
// standard input: a command line is for everyone on the machine to read.
func (c *userCreateCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	password, err := newPassword(ctx, "Password that "+c.Email+" is to have")
	if err != nil {
		return err
	}
	added, err := client.AddUser(ctx, api.NewUser{Email: c.Email, Role: c.Role, Groups: c.groups(), Password: password})
	if err != nil {
		return err
	}
	return c.show(added, func(t *table) { drawUser(t, added.TeamUser) })
}

type userRoleCmd struct {
	remote
	Email string `arg:"" help:"Who." complete:"user"`
	Role  string `arg:"" enum:"admin,editor,viewer" help:"admin, editor or viewer."`
}

// Run sets a role.
func (c *userRoleCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	u, err := client.UpdateUser(ctx, c.Email, api.UserUpdate{Role: c.Role})
	if err != nil {
		return err
	}
	return c.show(u, func(t *table) { drawUser(t, u) })
}

type userGroupsCmd struct {
	remote
	Email string   `arg:"" help:"Who." complete:"user"`
	Group []string `arg:"" optional:"" help:"All the groups they hold from now on." complete:"group"`
	All   bool     `help:"All groups that the team has now."`
	None  bool     `help:"No group: an editor or viewer sees only devices in none."`
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
		return wrongUse("which groups? Name them, or give --all, or --none")
	}
	groups := append(api.Names{}, c.Group...)
	if c.All {
		groups = api.Names{allGroups}
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	u, err := client.UpdateUser(ctx, c.Email, api.UserUpdate{Groups: api.Some(groups)})
	if err != nil {
		return err
	}
	return c.show(u, func(t *table) { drawUser(t, u) })
}

type userRemoveCmd struct {
	remote
	agree
	Email []string `arg:"" help:"Who." complete:"user"`
}

// Run removes users, going on where one can't be removed.
func (c *userRemoveCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "Remove %s from the team, and end their tokens: %s?", humane.Count(len(c.Email), "user"), clip(strings.Join(c.Email, " "), 200)); err != nil {
		return err
	}
	return c.each(c.Email, func(email string) error { return client.RemoveUser(ctx, email) }, "removed")
}

type programCmd struct {
	Create      programCreateCmd `cmd:"" help:"Make a program: a user with a role, groups and a token of its own, shown this once." example:"muster program create CI --role editor --group beta --expires 90d"`
	RotateToken programRotateCmd `cmd:"" help:"End a program's token and give it another, shown this once." example:"muster program rotate-token ci+0a1b2c3d4e@api.muster"`
}

type programCreateCmd struct {
	remote
	place
	Name    string `arg:"" help:"What it is called; its address is made from it."`
	Expires span   `help:"Its token ends after this long, as in 90d or 12h; a year where left out." placeholder:"TIME"`
}

// Run makes a program.
func (c *programCreateCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	added, err := client.AddUser(ctx, api.NewUser{Name: c.Name, Role: c.Role, Groups: c.groups(), Lifetime: c.Expires.seconds()})
	if err != nil {
		return err
	}
	return c.show(added, func(t *table) {
		drawUser(t, added.TeamUser)
		if added.Token != nil {
			drawSecret(t, *added.Token)
		}
	})
}

type programRotateCmd struct {
	remote
	agree
	Program string `arg:"" help:"Address of the program, as muster user list shows it." complete:"user"`
	Expires span   `help:"The new token ends after this long, as in 90d or 12h; a year where left out." placeholder:"TIME"`
}

// Run gives a program another token.
func (c *programRotateCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "The token %s has now ends at once. Give it a new one?", c.Program); err != nil {
		return err
	}
	token, err := client.RotateProgram(ctx, c.Program, api.Lifetime{ExpiresIn: c.Expires.seconds()})
	if err != nil {
		return err
	}
	return c.show(token, func(t *table) { drawSecret(t, token) })
}

// drawSecret shows a new token.
func drawSecret(t *table, token api.Token) {
	t.row("token id", token.ID)
	t.row("token (shown this once)", token.AccessToken)
	t.row("token ends", cmp.Or(endsIn(token), "never"))
}

func endsIn(token api.Token) string {
	if token.ExpiresIn == 0 {
		return ""
	}
	return fmt.Sprintf("in %s", span(token.ExpiresIn*int64(second)))
}
