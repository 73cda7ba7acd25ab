package console

import (
	"cmp"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// picker chooses groups: with a box for each, or for the chosen and the first others if there
// are many, and a field that completes names for the rest.
type picker struct {
	Boxes []groupBox
	More  bool   // some groups have no box
	New   bool   // an unknown name creates a group
	Of    string // slug of the groups' product, "" for the team
}

type groupBox struct {
	fleet.GroupView
	On bool
}

const maxBoxes = 24

// pick returns a picker of groups, sorted by name; on reports which are chosen.
func (v *visit) pick(groups []fleet.GroupView, on func(fleet.GroupView) bool) picker {
	p := picker{Of: v.product.Slug}
	var rest []groupBox
	for _, g := range groups {
		if on(g) {
			p.Boxes = append(p.Boxes, groupBox{g, true})
		} else {
			rest = append(rest, groupBox{g, false})
		}
	}
	room := min(max(0, maxBoxes-len(p.Boxes)), len(rest))
	p.More = room < len(rest)
	p.Boxes = append(p.Boxes, rest[:room]...)
	slices.SortFunc(p.Boxes, func(a, b groupBox) int { return strings.Compare(a.Name, b.Name) })
	return p
}

func nothing(fleet.GroupView) bool { return false }

// named chooses the groups with these names.
func named(names []string) func(fleet.GroupView) bool {
	return func(g fleet.GroupView) bool { return slices.Contains(names, g.Name) }
}

// maxNames bounds the completions of a field.
const maxNames = 20

// groupNames completes the name of a group that the actor sees.
func (v *visit) groupNames() error {
	product := fleet.ProductID(0)
	if slug := v.text("of"); slug != "" {
		p, err := v.registry.Product(v.ctx(), v.actor, slug)
		if err != nil {
			return err
		}
		product = p.ID
	}
	groups, err := v.registry.Groups(v.ctx(), v.actor, product)
	if err != nil {
		return err
	}
	part := strings.ToLower(cmp.Or(v.text("group"), v.text("add"), v.text("remove")))
	groups = slices.DeleteFunc(groups, func(g fleet.GroupView) bool { return !strings.Contains(strings.ToLower(g.Name), part) })
	return v.part("options", groups[:min(len(groups), maxNames)])
}
