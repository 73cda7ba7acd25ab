package store

import (
	"maps"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// roster is a team with all that its rules of uniqueness span: one document, so that a
// change of any of it is one compare-and-set.
type roster struct {
	revision uint64
	team     fleet.Team
	members  map[fleet.UserID]fleet.Member
	groups   map[fleet.GroupID]fleet.Group
	products map[fleet.ProductID]bool
	invited  map[string]fleet.Invitation // by id
	leaving  map[fleet.GroupID]bool      // groups being deleted: gone for everyone, devices still to be cleared
}

// rosterKind has the fields "team", "m:<user>", "g:<group>", "p:<product>", "i:<invitation>",
// "x:<group>".
var rosterKind = kind[roster]{
	name: "team",
	clone: func(r *roster) *roster {
		n := *r
		n.members = maps.Clone(r.members)
		n.groups = maps.Clone(r.groups)
		n.products = maps.Clone(r.products)
		n.invited = maps.Clone(r.invited)
		n.leaving = maps.Clone(r.leaving)
		return &n
	},
	fields: func(r *roster) map[string]string {
		fields := map[string]string{"team": packTeam(&r.team)}
		for id, m := range r.members {
			fields["m:"+id.String()] = packMember(&m)
		}
		for id, g := range r.groups {
			fields["g:"+id.String()] = packGroup(&g)
		}
		for id := range r.products {
			fields["p:"+id.String()] = "1"
		}
		for id, i := range r.invited {
			fields["i:"+id] = packInvitation(&i)
		}
		for id := range r.leaving {
			fields["x:"+id.String()] = "1"
		}
		return fields
	},
	parse:    parseRoster,
	revision: func(r *roster) *uint64 { return &r.revision },
}

func newRoster() *roster {
	return &roster{
		members:  map[fleet.UserID]fleet.Member{},
		groups:   map[fleet.GroupID]fleet.Group{},
		products: map[fleet.ProductID]bool{},
		invited:  map[string]fleet.Invitation{},
		leaving:  map[fleet.GroupID]bool{},
	}
}

func parseRoster(fields map[string]string) (*roster, error) {
	r := newRoster()
	for field, value := range fields {
		prefix, rest, _ := strings.Cut(field, ":")
		id, err := strconv.ParseUint(rest, 10, 32)
		switch {
		case prefix == "team":
			r.team, err = unpackTeam(value)
		case prefix == "i":
			r.invited[rest], err = unpackInvitation(value)
		case err != nil:
			return nil, errRecord
		case prefix == "m":
			r.members[fleet.UserID(id)], err = unpackMember(value)
		case prefix == "g":
			r.groups[fleet.GroupID(id)], err = unpackGroup(value)
		case prefix == "p":
			r.products[fleet.ProductID(id)] = true
		case prefix == "x":
			r.leaving[fleet.GroupID(id)] = true
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func packTeam(t *fleet.Team) string {
	var w packer
	w.number(1, uint64(t.ID))
	w.text(2, t.Name)
	w.time(3, t.Created)
	return w.String()
}

func unpackTeam(record string) (t fleet.Team, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			t.ID = fleet.TeamID(v.number())
		case 2:
			t.Name = string(v)
		case 3:
			t.Created = v.time()
		}
	})
	return t, err
}

func packMember(m *fleet.Member) string {
	var w packer
	w.number(1, uint64(m.Team))
	w.number(2, uint64(m.User))
	w.text(3, m.Email)
	w.number(4, uint64(m.Role))
	w.groups(5, m.Groups)
	w.time(6, m.Joined)
	if m.Program {
		w.number(7, 1)
	}
	return w.String()
}

func unpackMember(record string) (m fleet.Member, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			m.Team = fleet.TeamID(v.number())
		case 2:
			m.User = fleet.UserID(v.number())
		case 3:
			m.Email = string(v)
		case 4:
			m.Role = fleet.Role(v.number())
		case 5:
			m.Groups = v.groups()
		case 6:
			m.Joined = v.time()
		case 7:
			m.Program = v.number() == 1
		}
	})
	return m, err
}

func packGroup(g *fleet.Group) string {
	var w packer
	w.number(1, uint64(g.ID))
	w.number(2, uint64(g.Team))
	w.number(3, uint64(g.Product))
	w.text(4, g.Name)
	w.text(5, g.Description)
	w.text(6, g.Color)
	w.time(7, g.Created)
	return w.String()
}

func unpackGroup(record string) (g fleet.Group, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			g.ID = fleet.GroupID(v.number())
		case 2:
			g.Team = fleet.TeamID(v.number())
		case 3:
			g.Product = fleet.ProductID(v.number())
		case 4:
			g.Name = string(v)
		case 5:
			g.Description = string(v)
		case 6:
			g.Color = string(v)
		case 7:
			g.Created = v.time()
		}
	})
	return g, err
}
