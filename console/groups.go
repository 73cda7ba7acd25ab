package console

import (
	"net/url"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// groupPages are the pages of groups.
type groupPages struct{ *visit }

// groupRow is a group with the number of users it is assigned to.
type groupRow struct {
	fleet.GroupView
	Users int
}

func (v groupPages) groupsPage() error {
	groups, err := v.registry.Groups(v.ctx(), v.actor, v.product.ID)
	if err != nil {
		return err
	}
	members, err := v.accounts.Members(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	rows := make([]groupRow, len(groups))
	for i, g := range groups {
		rows[i].GroupView = g
		for _, m := range members {
			if slices.Contains(m.Groups, g.ID) {
				rows[i].Users++
			}
		}
	}
	if v.fragment() {
		return v.fragmentOf("groups", "rows", rows)
	}
	return v.show("groups", "Groups", rows)
}

func (v groupPages) createGroup() error {
	g := fleet.Group{Team: v.actor.Team, Product: v.product.ID, Name: v.text("name"), Description: v.text("description"), Color: v.text("color")}
	if v.text("scope") == "team" {
		g.Product = 0
	}
	_, err := v.registry.CreateGroup(v.ctx(), v.actor, g)
	return v.after(err, v.at("/groups"), "Created the group "+g.Name+". Add devices to it in the list of devices.")
}

// groupBody is the page of one group.
type groupBody struct {
	fleet.GroupView
	Users   []fleet.Member // it is assigned to
	Members fleet.DeviceViews
	Charts  pastCharts
}

func (v groupPages) groupPage() error {
	g, err := v.registry.Group(v.ctx(), v.actor, v.product.ID, v.text("name"))
	if err != nil {
		return err
	}
	body := groupBody{GroupView: g}
	members, err := v.accounts.Members(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	for _, m := range members {
		if slices.Contains(m.Groups, g.ID) {
			body.Users = append(body.Users, m)
		}
	}
	q := fleet.DeviceQuery{Actor: v.actor, Product: v.product.ID, Groups: []fleet.GroupID{g.ID}, Limit: 20}
	if body.Members, err = v.registry.Devices(v.ctx(), v.actor, q); err != nil {
		return err
	}
	if v.fragment() {
		return v.fragmentOf("group", "live", body)
	}
	name := url.QueryEscape(g.Name)
	body.Charts = pastCharts{Ranges: pastRanges, Now: v.pastRange(), Page: v.at("/group?name=" + name + "&range="), Data: v.at("/group/history?name=" + name + "&range=")}
	if body.Charts.LeftOut, err = v.history.LeftOut(v.ctx(), v.product.ID, g.ID); err != nil {
		return err
	}
	return v.show("group", "Group "+g.Name, body)
}

// groupOf is the group's name in the address; the form may contain a new one.
func (v groupPages) groupOf() string { return v.r.URL.Query().Get("name") }

func (v groupPages) editGroup() error {
	name := v.groupOf()
	if v.text("act") == "delete" {
		return v.after(v.registry.DeleteGroup(v.ctx(), v.actor, v.product.ID, name), v.at("/groups"), "Deleted the group "+name+".")
	}
	renamed, description, color := v.r.PostFormValue("name"), v.text("description"), v.text("color")
	g, err := v.registry.EditGroup(v.ctx(), v.actor, v.product.ID, name, fleet.GroupEdit{Name: &renamed, Description: &description, Color: &color, If: v.seen()})
	return v.after(err, v.at("/group?name="+url.QueryEscape(g.Name)), "Saved.")
}

// deleteGroupImpact previews which updates deleting a group would cause.
func (v groupPages) deleteGroupImpact() error {
	impact, err := v.registry.PreviewDeleteGroup(v.ctx(), v.actor, v.product.ID, v.groupOf())
	if err != nil {
		return err
	}
	return v.part("impact", impact)
}
