package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/humane"
)

type teamCmd struct {
	List     teamListCmd     `cmd:"" help:"List the teams you are a member of." example:"muster team list"`
	Get      teamGetCmd      `cmd:"" help:"Show the team you are signed in to." example:"muster team get"`
	Create   teamCreateCmd   `cmd:"" help:"Create a further team, as its owner." example:"muster team create \"Acme Labs\""`
	Use      teamUseCmd      `cmd:"" help:"Sign in to another of your teams; each has a context of its own." example:"muster team use \"Acme Labs\""`
	Rename   teamRenameCmd   `cmd:"" help:"Rename the team you are signed in to." example:"muster team rename \"Acme Research\""`
	HandOver teamHandOverCmd `cmd:"" help:"Make a member the owner of the team; you become an admin." example:"muster team hand-over ada@example.com"`
	Leave    teamLeaveCmd    `cmd:"" help:"Leave the team you are signed in to; your tokens for it end." example:"muster team leave"`
	Delete   teamDeleteCmd   `cmd:"" help:"Delete the team you are signed in to; it may have no products any more." example:"muster team delete"`
}

// reachTeam is a client of the chosen server, and the team its token is for.
func (r remote) reachTeam(ctx context.Context) (*client.Client, api.Team, error) {
	client, err := r.client()
	if err != nil {
		return nil, api.Team{}, err
	}
	team, err := client.Team(ctx)
	return client, team, err
}

type teamListCmd struct{ remote }

// Run lists the user's teams, and marks the one of the token.
func (c *teamListCmd) Run(ctx context.Context) error {
	client, here, err := c.reachTeam(ctx)
	if err != nil {
		return err
	}
	teams, err := client.Teams(ctx)
	if err != nil {
		return err
	}
	return c.show(teams, func(t *table) {
		t.row("ID", "NAME", "CURRENT", "YOUR ROLE", "CREATED")
		for _, one := range teams {
			t.row(one.ID, one.Name, map[bool]string{true: "yes"}[one.ID == here.ID], one.Role, one.Created)
		}
	})
}

type teamGetCmd struct{ remote }

// Run shows the team of the token.
func (c *teamGetCmd) Run(ctx context.Context) error {
	_, team, err := c.reachTeam(ctx)
	if err != nil {
		return err
	}
	return c.show(team, func(t *table) { drawTeam(t, team) })
}

func drawTeam(t *table, team api.Team) {
	t.row("id", team.ID)
	t.row("name", team.Name)
	t.row("your role", team.Role)
	t.row("created", team.Created)
}

type teamCreateCmd struct {
	remote
	Name string `arg:"" help:"Its name."`
}

// Run creates a team. The token stays with the team it is for.
func (c *teamCreateCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	team, err := client.CreateTeam(ctx, c.Name)
	if err != nil {
		return err
	}
	return c.show(team, func(t *table) {
		drawTeam(t, team)
		t.line("To work in it: muster team use %d", team.ID)
	})
}

type teamUseCmd struct {
	Team string `arg:"" help:"Id or name of the team."`
	Name string `help:"Name of its context; made of server and team where left out." placeholder:"NAME"`
}

// Run makes the context of a team the current one. Without one yet it signs in: a token
// is for one team only, and a password makes it.
func (c *teamUseCmd) Run(ctx context.Context) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	here, ok := all.Contexts[all.Current]
	if !ok {
		return wrongUse("no context is the current one: muster login --team ID signs in to a team")
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
			fmt.Printf("The context is %s.\n", name)
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
		return found, fmt.Errorf("you are in no team %q, only in: %s", word, strings.Join(names, ", "))
	case 1:
		return found, nil
	}
	return found, wrongUse("%d of your teams are called %q: take the id, which muster team list shows", n, word)
}

type teamRenameCmd struct {
	remote
	Name string `arg:"" help:"Its new name."`
}

// Run renames the team.
func (c *teamRenameCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	team, err := client.RenameTeam(ctx, c.Name)
	if err != nil {
		return err
	}
	return c.show(team, func(t *table) { drawTeam(t, team) })
}

type teamHandOverCmd struct {
	remote
	agree
	Email string `arg:"" help:"Who is to own it: a member."`
}

// Run hands the team over.
func (c *teamHandOverCmd) Run(ctx context.Context) error {
	client, team, err := c.reachTeam(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "Make %s the owner of the team %s, and yourself an admin? Only they can undo it.", c.Email, team.Name); err != nil {
		return err
	}
	if err := client.HandOver(ctx, c.Email); err != nil {
		return err
	}
	return c.done("%s owns the team %s.", c.Email, team.Name)
}

type teamLeaveCmd struct {
	remote
	agree
}

// Run leaves the team. The tokens for it end, this one included.
func (c *teamLeaveCmd) Run(ctx context.Context) error {
	client, team, err := c.reachTeam(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "Leave the team %s? Your tokens for it end, and only who may invite can bring you back.", team.Name); err != nil {
		return err
	}
	if err := client.LeaveTeam(ctx); err != nil {
		return err
	}
	return c.done("You left the team %s.", team.Name)
}

type teamDeleteCmd struct {
	remote
	agree
}

// Run deletes the team, after saying whom that concerns. All its tokens end, this one
// included.
func (c *teamDeleteCmd) Run(ctx context.Context) error {
	client, team, err := c.reachTeam(ctx)
	if err != nil {
		return err
	}
	users, err := client.Users(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "Delete the team %s? Its %s lose it, and all its tokens end, yours too.", team.Name, humane.Count(len(users), "user")); err != nil {
		return err
	}
	if err := client.DeleteTeam(ctx); err != nil {
		return err
	}
	return c.done("Deleted the team %s.", team.Name)
}
