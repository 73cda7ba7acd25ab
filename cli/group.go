package cli

import (
	"context"
	"slices"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/humane"
)

type groupCmd struct {
	List   groupListCmd   `cmd:"" help:"List a product's groups, and those shared by all products." example:"muster group list"`
	Create groupCreateCmd `cmd:"" help:"Create a group." example:"muster group create beta --description \"New firmware first\""`
	Get    groupGetCmd    `cmd:"" help:"Show one group and the users who have it." example:"muster group get beta"`
	Edit   groupEditCmd   `cmd:"" help:"Change a group's name, description or color; its devices and release stay." example:"muster group edit beta --name early --color '#2f6fde'"`
	Delete groupDeleteCmd `cmd:"" help:"Delete a group and its release; other rules then apply to its devices." example:"muster group delete beta"`
	Add    groupAddCmd    `cmd:"" help:"Add devices to a group." example:"muster group add beta lamp-7 lamp-8"`
	Remove groupRemoveCmd `cmd:"" help:"Remove devices from a group." example:"muster group remove beta lamp-7"`
}

type groupListCmd struct{ productRemote }

// Run lists groups.
func (c *groupListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Group, error) { return s.Groups(ctx, s.product) }, func(t *table, groups []api.Group) {
		t.hint(len(groups), "No groups yet. Create one with: muster group create NAME")
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

// shownGroup is a group and the users who have it.
type shownGroup struct {
	api.Group
	Users []string `json:"users"`
}

// Run shows a group.
func (c *groupGetCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (shownGroup, error) { return getGroup(ctx, s, c.Group) }, func(t *table, g shownGroup) {
		drawGroup(t, g.Group)
		t.row("users", g.Users)
	})
}

func getGroup(ctx context.Context, s server, name string) (shownGroup, error) {
	g, _, err := s.Group(ctx, s.product, name)
	if err != nil {
		return shownGroup{}, err
	}
	users, err := s.Users(ctx)
	shown := shownGroup{g, []string{}}
	for _, u := range users {
		if slices.Contains(u.Groups, g.Name) {
			shown.Users = append(shown.Users, u.Email)
		}
	}
	return shown, err
}

type groupCreateCmd struct {
	productRemote
	Name        string `arg:"" help:"Name: 1 to 64 of A-Z a-z 0-9 _ . @ : # -"`
	Description string `help:"What it is for." placeholder:"TEXT"`
	Color       string `help:"Color, as in #2f6fde." placeholder:"COLOR"`
}

// Run creates a group.
func (c *groupCreateCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Group, error) {
		return s.CreateGroupOf(ctx, s.product, api.GroupFields{Name: &c.Name, Description: &c.Description, Color: &c.Color})
	}, drawGroup)
}

type groupEditCmd struct {
	productRemote
	Group       string  `arg:"" help:"Name of the group." complete:"group"`
	Name        *string `help:"New name." placeholder:"TEXT"`
	Description *string `help:"New description." placeholder:"TEXT"`
	Color       *string `help:"New color, as in #2f6fde." placeholder:"COLOR"`
}

// Run changes a group.
func (c *groupEditCmd) Run(ctx context.Context) error {
	if c.Name == nil && c.Description == nil && c.Color == nil {
		return Misuse("nothing to change: give --name, --description or --color")
	}
	return ask(ctx, c, func(s server) (api.Group, error) {
		_, tag, err := s.Group(ctx, s.product, c.Group)
		if err != nil {
			return api.Group{}, err
		}
		return s.If(tag).EditGroup(ctx, s.product, c.Group, api.GroupFields{Name: c.Name, Description: c.Description, Color: c.Color})
	}, drawGroup)
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

// Run deletes a group, after showing what that affects.
func (c *groupDeleteCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	g, err := getGroup(ctx, s, c.Group)
	if err != nil {
		return err
	}
	impact, err := s.PreviewDeleteGroup(ctx, s.product, c.Group)
	if err != nil {
		return err
	}
	note("%s and %s leave the group. Its release: %s.", humane.Count(g.Devices, "device"), humane.Count(len(g.Users), "user"), cell(g.Release))
	noteImpact(readImpact(impact))
	if err := c.confirm(ctx, "Delete the group %s? Everyone in the team can see devices that are then in no group.", c.Group); err != nil {
		return err
	}
	return c.done(s.DeleteGroup(ctx, s.product, c.Group), "Deleted the group %s.", c.Group)
}

// members is what adding devices to a group and removing them have in common.
type members struct {
	many
	Group  string   `arg:"" help:"Name of the group." complete:"group"`
	Device []string `arg:"" optional:"" help:"Device ids." complete:"device"`
}

func (c *members) has(d api.Device) bool { return slices.Contains(d.Groups, c.Group) }

type groupAddCmd struct{ members }

// Run adds devices to the group.
func (c *groupAddCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "groups", Metadata: api.BatchMetadata{Add: api.Names{c.Group}}}
	c.same = &same{is: c.has, words: "already in " + c.Group, now: "%s are now in " + c.Group + "."}
	return c.change(ctx, c.Device, edit, "Add %s to "+c.Group+"?", "%s added to "+c.Group+".")
}

type groupRemoveCmd struct{ members }

// Run removes devices from the group.
func (c *groupRemoveCmd) Run(ctx context.Context) error {
	edit := api.BatchUpdate{Action: "groups", Metadata: api.BatchMetadata{Remove: api.Names{c.Group}}}
	c.same = &same{is: func(d api.Device) bool { return !c.has(d) }, words: "not in " + c.Group, now: "%s are no longer in " + c.Group + "."}
	return c.change(ctx, c.Device, edit, "Remove %s from "+c.Group+"? Everyone in the team can see devices that are then in no group.", "%s removed from "+c.Group+".")
}
