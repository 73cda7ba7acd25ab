package main

import (
	"context"
	"slices"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/humane"
)

type groupCmd struct {
	List   groupListCmd   `cmd:"" help:"List the groups a product's devices may be in." example:"muster group list"`
	Create groupCreateCmd `cmd:"" help:"Create a group." example:"muster group create beta --description \"New firmware first\""`
	Get    groupGetCmd    `cmd:"" help:"Show one group and who holds it." example:"muster group get beta"`
	Edit   groupEditCmd   `cmd:"" help:"Rename, describe or colour a group; it keeps members and release." example:"muster group edit beta --name early --color '#2f6fde'"`
	Delete groupDeleteCmd `cmd:"" help:"Delete a group and end its release; its devices fall to the next rule." example:"muster group delete beta"`
	Add    groupAddCmd    `cmd:"" help:"Put devices into a group." example:"muster group add beta lamp-7 lamp-8"`
	Remove groupRemoveCmd `cmd:"" help:"Take devices out of a group." example:"muster group remove beta lamp-7"`
}

type groupListCmd struct {
	productRemote
}

// Run lists groups.
func (c *groupListCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	groups, err := client.Groups(ctx, product)
	if err != nil {
		return err
	}
	c.hint(len(groups), "No groups yet: muster group create NAME")
	return c.show(groups, func(t *table) {
		t.row("NAME", "DEVICES", "RELEASE", "DESCRIPTION")
		for _, g := range groups {
			t.row(g.Name, g.Devices, g.Release, g.Description)
		}
	})
}

type groupGetCmd struct {
	productRemote
	Group string `arg:"" help:"Name of the group." complete:"group"`
}

// shownGroup is a group with the users who hold it.
type shownGroup struct {
	api.Group
	Users []string `json:"users"`
}

// Run shows one.
func (c *groupGetCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	g, _, err := client.Group(ctx, product, c.Group)
	if err != nil {
		return err
	}
	holders, err := holdersOf(ctx, client, g.Name)
	if err != nil {
		return err
	}
	return c.show(shownGroup{g, holders}, func(t *table) {
		drawGroup(t, g)
		t.row("users", holders)
	})
}

// holdersOf are the users who hold a group.
func holdersOf(ctx context.Context, client *client.Client, group string) ([]string, error) {
	users, err := client.Users(ctx)
	holders := []string{}
	for _, u := range users {
		if slices.Contains(u.Groups, group) {
			holders = append(holders, u.Email)
		}
	}
	return holders, err
}

type groupCreateCmd struct {
	productRemote
	Name        string `arg:"" help:"1 to 64 of A-Z a-z 0-9 _ . @ : # -"`
	Description string `help:"What it is for." placeholder:"TEXT"`
	Color       string `help:"As in #2f6fde." placeholder:"COLOR"`
}

// Run creates one.
func (c *groupCreateCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	g, err := client.CreateGroupOf(ctx, product, api.GroupFields{Name: &c.Name, Description: &c.Description, Color: &c.Color})
	if err != nil {
		return err
	}
	return c.show(g, func(t *table) { drawGroup(t, g) })
}

type groupEditCmd struct {
	productRemote
	Group       string  `arg:"" help:"Name of the group." complete:"group"`
	Name        *string `help:"New name." placeholder:"TEXT"`
	Description *string `help:"New description." placeholder:"TEXT"`
	Color       *string `help:"New colour, as in #2f6fde." placeholder:"COLOR"`
}

// Run changes one.
func (c *groupEditCmd) Run(ctx context.Context) error {
	if c.Name == nil && c.Description == nil && c.Color == nil {
		return wrongUse("nothing to change: give --name, --description or --color")
	}
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	_, tag, err := client.Group(ctx, product, c.Group)
	if err != nil {
		return err
	}
	g, err := client.If(tag).EditGroup(ctx, product, c.Group, api.GroupFields{Name: c.Name, Description: c.Description, Color: c.Color})
	if err != nil {
		return err
	}
	return c.show(g, func(t *table) { drawGroup(t, g) })
}

func drawGroup(t *table, g api.Group) {
	t.row("name", g.Name)
	t.row("description", g.Description)
	t.row("color", g.Color)
	t.row("release", g.Release)
	t.row("devices", g.Devices)
}

type groupDeleteCmd struct {
	productRemote
	agree
	Group string `arg:"" help:"Name of the group." complete:"group"`
}

// Run deletes one, after saying what that ends.
func (c *groupDeleteCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	g, _, err := client.Group(ctx, product, c.Group)
	if err != nil {
		return err
	}
	holders, err := holdersOf(ctx, client, g.Name)
	if err != nil {
		return err
	}
	impact, err := client.PreviewDeleteGroup(ctx, product, c.Group)
	if err != nil {
		return err
	}
	note("%s and %s leave the group; its release: %s.", humane.Count(g.Devices, "device"), humane.Count(len(holders), "user"), cell(g.Release))
	tellImpact(readImpact(impact))
	if err := c.confirm(ctx, "Delete the group %s? A device that is in no group then is seen by everyone in the team.", c.Group); err != nil {
		return err
	}
	if err := client.DeleteGroup(ctx, product, c.Group); err != nil {
		return err
	}
	return c.done("Deleted the group %s.", c.Group)
}
