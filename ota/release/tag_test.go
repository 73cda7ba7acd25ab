package release

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestAReleaseIsRefusedWhenAnotherCameFirst(t *testing.T) {
	c := &fleet.Catalog{Product: fleet.Product{ID: 1, Team: 1}, Groups: map[fleet.GroupID]fleet.Version{}, Firmware: map[string]fleet.Firmware{}}
	one, two := fleet.WholeVersion(1), fleet.WholeVersion(2)
	for _, v := range []fleet.Version{one, two} {
		c.Firmware[v.Key()] = fleet.Firmware{Product: 1, Version: v}
	}
	known := map[fleet.GroupID]fleet.Group{5: {ID: 5, Team: 1}}
	admin := fleet.Actor{Team: 1, Role: fleet.Admin}
	editor := fleet.Actor{Team: 1, Role: fleet.Editor}
	read := tagOf(admin, c, c.Firmware[two.Key()])
	seenByEditor := tagOf(editor, c, c.Firmware[two.Key()])
	first := fleet.ReleaseOrder{Version: one, Groups: &[]fleet.GroupID{5}, If: tagOf(admin, c, c.Firmware[one.Key()])}
	if err := new(Service).apply(admin, c, known, first); err != nil {
		t.Fatal(err)
	}
	late := fleet.ReleaseOrder{Version: two, Groups: &[]fleet.GroupID{5}, If: read}
	err := new(Service).apply(admin, c, known, late)
	var detail *fleet.Error
	if !errors.Is(err, fleet.Conflict) || !errors.As(err, &detail) || detail.Code != fleet.CodeChanged {
		t.Errorf("a release to the group another has just got: got %v, want a conflict", err)
	}
	late.If = tagOf(admin, c, c.Firmware[two.Key()])
	if err := new(Service).apply(admin, c, known, late); err != nil {
		t.Errorf("after looking again: %v", err)
	}
	if got := tagOf(editor, c, c.Firmware[two.Key()]); got != seenByEditor {
		t.Error("the tag reveals to an editor a release to a group they do not hold")
	}
}
