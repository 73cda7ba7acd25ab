package sse

import (
	"errors"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestStreamsAreBoundedForASession(t *testing.T) {
	const perSession = 4
	o := NewOpen(perSession)
	var leaves []func()
	for i := range 1000 {
		_, leave, err := o.Begin(strings.Repeat("x", 1+i/perSession))
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		leaves = append(leaves, leave)
	}
	leaves[0]()
	if _, _, err := o.Begin("xx"); !errors.Is(err, fleet.Busy) {
		t.Errorf("of one session: got %v, want busy", err)
	}
	o.End("x")
	for _, leave := range leaves[1:] {
		leave()
	}
	if len(o.sessions) != 0 {
		t.Errorf("all have left: %d sessions remain", len(o.sessions))
	}
}
