package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/humane"
)

type teamCmd struct {
	List     teamListCmd     `cmd:"" help:"List the teams you are a member of." example:"muster team list"`
	Get      teamGetCmd      `cmd:"" help:"Show the team you are signed in to." example:"muster team get"`
	Quotas   teamQuotasCmd   `cmd:"" help:"Show what the team may have, and how much of it is used." example:"muster team quotas"`
	Create   teamCreateCmd   `cmd:"" help:"Create another team, as its owner." example:"muster team create \"Acme Labs\""`
	Use      teamUseCmd      `cmd:"" help:"Sign in to another of your teams; each has its own context." example:"muster team use \"Acme Labs\""`
	Rename   teamRenameCmd   `cmd:"" help:"Rename the team you are signed in to." example:"muster team rename \"Acme Research\""`
	HandOver teamHandOverCmd `cmd:"" help:"Make a member the owner of the team; you become an admin." example:"muster team hand-over ada@example.com"`
	Leave    teamLeaveCmd    `cmd:"" help:"Leave the team you are signed in to; revokes your tokens for it." example:"muster team leave"`
	Delete   teamDeleteCmd   `cmd:"" help:"Delete the team you are signed in to, once it has no products." example:"muster team delete"`
}

type teamListCmd struct{ remote }

// Run lists the user's teams and marks the one of the token.
func (c *teamListCmd) Run(ctx context.Context) error {
	var here api.Team
	return ask(ctx, c, func(s server) (teams []api.Team, err error) {
		if here, err = s.Team(ctx); err != nil {
			return nil, err
		}
		return s.Teams(ctx)
	}, func(t *table, teams []api.Team) {
		t.row("ID", "NAME", "CURRENT", "YOUR ROLE", "CREATED")
		for _, one := range teams {
			t.row(one.ID, one.Name, map[bool]string{true: "yes"}[one.ID == here.ID], one.Role, one.Created)
		}
	})
}

type teamGetCmd struct{ remote }

// Run shows the team of the token.
func (c *teamGetCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Team, error) { return s.Team(ctx) }, drawTeam)
}

type teamQuotasCmd struct{ remote }

// Run shows the quotas of the team.
func (c *teamQuotasCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Quota, error) { return s.Quotas(ctx) }, func(t *table, quotas []api.Quota) {
		t.row("QUOTA", "USED", "LIMIT", "SHARE", "UNIT")
		for _, q := range quotas {
			limit, share := "none", ""
			if q.Limit != nil {
				limit = strconv.FormatInt(*q.Limit, 10)
			}
			if q.Share > 0 {
				share = strconv.FormatInt(q.Share, 10)
			}
			t.row(q.Name, q.Used, limit, share, q.Unit)
		}
	})
}

func drawTeam(t *table, team api.Team) {
	t.row("id", team.ID)
	t.row("name", team.Name)
	t.row("your role", team.Role)
	t.row("created", team.Created)
}

type teamCreateCmd struct {
	remote
	Name string `arg:"" help:"Name of the team."`
}

// Run creates a team. The token remains one for the current team.
func (c *teamCreateCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Team, error) { return s.CreateTeam(ctx, c.Name) }, func(t *table, team api.Team) {
		drawTeam(t, team)
		t.line("To work in it: muster team use %d", team.ID)
	})
}

type teamUseCmd struct {
	Team string `arg:"" help:"Id or name of the team."`
	Name string `help:"Name of its context; by default made of server and team." placeholder:"NAME"`
}

// Run switches to the context of a team. If there is none it signs in, with a password: a
// token is for one team only.
func (c *teamUseCmd) Run(ctx context.Context) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	here, ok := all.Contexts[all.Current]
	if !ok {
		return Misuse("there is no current context: sign in to a team with muster login --team ID")
	}
	teams, err := client.New(here.URL, here.Token).Teams(ctx)
	if err != nil {
		return err
	}
	team, err := findTeam(teams, c.Team)
	if err != nil {
		return err
	}
	for name, one := range all.Contexts {
		if one.URL == here.URL && one.Email == here.Email && one.TeamID == strconv.FormatUint(uint64(team.ID), 10) {
			all.Current = name
			fmt.Fprintf(os.Stdout, "The context is %s.\n", name)
			return all.save()
		}
	}
	name := cmp.Or(c.Name, nameFor(here.URL)+"/"+strings.ReplaceAll(team.Name, " ", "-"))
	return (&loginCmd{Server: here.URL, Email: here.Email, Team: team.ID, Name: name}).Run(ctx)
}

// findTeam finds a team by id, or by a name that only one has.
func findTeam(teams []api.Team, word string) (found api.Team, err error) {
	var names []string
	n := 0
	for _, one := range teams {
		names = append(names, one.Name)
		if strconv.FormatUint(uint64(one.ID), 10) == word {
			return one, nil
		}
		if one.Name == word {
			found = one
			n++
		}
	}
	switch n {
	case 0:
		return found, fmt.Errorf("you are not in a team %q; your teams: %s", word, strings.Join(names, ", "))
	case 1:
		return found, nil
	}
	return found, Misuse("%d of your teams are called %q: use the id, which muster team list shows", n, word)
}

type teamRenameCmd struct {
	remote
	Name string `arg:"" help:"New name."`
}

// Run renames the team.
func (c *teamRenameCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Team, error) { return s.RenameTeam(ctx, c.Name) }, drawTeam)
}

// reachTeam returns the chosen server and the team of its token.
func (r remote) reachTeam(ctx context.Context) (server, api.Team, error) {
	s, err := r.reach(ctx)
	if err != nil {
		return s, api.Team{}, err
	}
	team, err := s.Team(ctx)
	return s, team, err
}

type teamHandOverCmd struct {
	remote
	agree
	Email string `arg:"" help:"Member to become the owner."`
}

// Run hands the team over.
func (c *teamHandOverCmd) Run(ctx context.Context) error {
	s, team, err := c.reachTeam(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "Make %s the owner of the team %s, and yourself an admin? Only the new owner can undo this.", c.Email, team.Name); err != nil {
		return err
	}
	return c.done(s.HandOver(ctx, c.Email), "%s owns the team %s.", c.Email, team.Name)
}

type teamLeaveCmd struct {
	remote
	agree
}

// Run leaves the team.
func (c *teamLeaveCmd) Run(ctx context.Context) error {
	s, team, err := c.reachTeam(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "Leave the team %s? Your tokens for it are revoked, and to return you need an invitation.", team.Name); err != nil {
		return err
	}
	return c.done(s.LeaveTeam(ctx), "You left the team %s.", team.Name)
}

type teamDeleteCmd struct {
	remote
	agree
}

// Run deletes the team, after showing how many users that affects.
func (c *teamDeleteCmd) Run(ctx context.Context) error {
	s, team, err := c.reachTeam(ctx)
	if err != nil {
		return err
	}
	users, err := s.Users(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "Delete the team %s? It has %s; all its tokens are revoked, including yours.", team.Name, humane.Count(len(users), "user")); err != nil {
		return err
	}
	return c.done(s.DeleteTeam(ctx), "Deleted the team %s.", team.Name)
}
