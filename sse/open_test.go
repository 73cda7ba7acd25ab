package sse

import (
	"errors"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestStreamsAreBoundedForASessionAndInAll(t *testing.T) {
	const perSession = 4
	o := NewOpen(perSession)
	var leaves []func()
	for i := range MaxOpen {
		_, leave, err := o.Begin(strings.Repeat("x", 1+i/perSession))
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		leaves = append(leaves, leave)
	}
	if _, _, err := o.Begin("another"); !errors.Is(err, fleet.Busy) {
		t.Errorf("in all: got %v, want busy", err)
	}
	leaves[0]()
	if _, _, err := o.Begin("xx"); !errors.Is(err, fleet.Busy) {
		t.Errorf("of one session: got %v, want busy", err)
	}
	o.End("x")
	for _, leave := range leaves[1:] {
		leave()
	}
	if o.total != 0 || len(o.sessions) != 0 {
		t.Errorf("all have left: %d streams, %d sessions remain", o.total, len(o.sessions))
	}
}

func TestOneSessionMayHaveAllStreamsWhereNoBoundIsSet(t *testing.T) {
	o := NewOpen(0)
	for i := range MaxOpen {
		if _, _, err := o.Begin("x"); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	if _, _, err := o.Begin("x"); !errors.Is(err, fleet.Busy) {
		t.Errorf("in all: got %v, want busy", err)
	}
}
