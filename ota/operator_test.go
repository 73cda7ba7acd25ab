package ota

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

const (
	beta fleet.GroupID = iota + 1
	eu
	gadgets // of another product
)

var (
	admin  = fleet.Actor{User: 1, Email: "ada@example.com", Team: team, Role: fleet.Admin}
	editor = fleet.Actor{User: 2, Team: team, Role: fleet.Editor, Groups: []fleet.GroupID{beta}}
	viewer = fleet.Actor{User: 3, Team: team, Role: fleet.Viewer, Groups: []fleet.GroupID{beta}}
	other  = fleet.Actor{User: 4, Team: team + 1, Role: fleet.Owner}
)

// shop is a world with versions 1 to 3, groups, and devices in them.
func shop(t testing.TB) *world {
	w := newWorld(t, Config{})
	for _, version := range []string{"1", "2", "3"} {
		w.firmware(version, 10_000)
	}
	w.groups = []fleet.Group{
		{ID: beta, Team: team, Product: product, Name: "beta"}, {ID: eu, Team: team, Name: "eu"},
		{ID: gadgets, Team: team, Product: product + 1, Name: "gadgets"},
	}
	in := func(groups ...fleet.GroupID) func(*fleet.Device) { return func(d *fleet.Device) { d.Groups = groups } }
	w.device("plain", "1")
	w.device("beta", "1", in(beta))
	w.device("eu", "1", in(eu))
	w.device("both", "1", in(beta, eu))
	w.device("dev", "1", in(beta), func(d *fleet.Device) { d.Development = true })
	w.device("locked", "1", in(beta), func(d *fleet.Device) { d.Lock = v("1") })
	w.device("notnow", "1", in(beta), func(d *fleet.Device) { d.UpdatesOn = false })
	w.device("done", "2", in(beta))
	return w
}

func groups(ids ...fleet.GroupID) *[]fleet.GroupID { return &ids }

func flag(b bool) *bool { return &b }
