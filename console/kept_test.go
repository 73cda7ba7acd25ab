package console

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

func TestKeptValuesAreTheirActorsOnly(t *testing.T) {
	k := newKept()
	key := k.put(owner, "secret", 1)
	for name, actor := range map[string]fleet.Actor{"another user": {User: 2, Team: 1}, "another team": {User: 1, Team: 2}} {
		if got := k.look(actor, key, true); got != nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if k.look(owner, "wrong", true) != nil || k.look(owner, key, false) != "secret" || k.look(owner, key, true) != "secret" {
		t.Error("the value does not come back to its actor")
	}
	if got := k.look(owner, key, true); got != nil {
		t.Errorf("taken twice: %v", got)
	}
}

func TestKeptValuesAreBoundedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept()
		key := k.put(owner, "plan", maxKept)
		if err := k.hasRoom(owner, 1); !errors.Is(err, fleet.Busy) {
			t.Errorf("a full team: got %v, want Busy", err)
		}
		if err := k.hasRoom(fleet.Actor{User: 1, Team: 2}, maxKept); err != nil {
			t.Errorf("another team: %v", err)
		}
		<-time.After(keptFor + 1)
		if got := k.look(owner, key, false); got != nil {
			t.Errorf("after %s: got %v", keptFor, got)
		}
		k.put(owner, "plan", maxKept)
		<-time.After(keptFor + 1)
		if err := k.hasRoom(owner, maxKept); err != nil || len(k.values) != 0 {
			t.Errorf("old values keep their room: %v, %d", err, len(k.values))
		}
	})
}
