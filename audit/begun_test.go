package audit_test

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/spool"
)

// A process is killed while a change is under way, and leaves a note; another change has ended. The
// longest names and addresses fit, and none breaks the note.
func TestWhatWasBegunByAServerThatEndedHasAnEntry(t *testing.T) {
	folder := t.TempDir()
	start := func() (*audit.Log, func() []fleet.AuditEntry) {
		log, s, _ := open(t)
		kept, err := spool.Open(filepath.Join(folder, "unaudited"), 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		slots, left, err := spool.OpenSlots(filepath.Join(folder, "begun"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = errors.Join(kept.Close(), slots.Close()) })
		log.Keep(kept)
		log.KeepBegun(slots, left)
		return log, func() (found []fleet.AuditEntry) {
			for _, line := range kept.Lines() {
				if !strings.Contains(line, audit.Interrupted) {
					t.Errorf("kept: %s", line)
				}
			}
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { log.Run(ctx) })
			for len(kept.Lines()) > 0 && t.Context().Err() == nil {
				runtime.Gosched()
			}
			stop()
			running.Wait()
			page, _, err := s.Messages.AuditLog(t.Context(), 1, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			return page
		}
	}
	log, _ := start()
	end, err := log.Begin(owner, "DeleteGroup /v1/products/lamp/groups/beta")
	if err != nil {
		t.Fatal(err)
	}
	end()
	for _, who := range []fleet.Actor{owner, {
		Team: 1, User: 1 << 31, Email: strings.Repeat("\"é\x00", 200), Token: strings.Repeat("x", 100), Address: strings.Repeat("f", 100),
	}} {
		if _, err := log.Begin(who, "UpdateDevice /v1/devices/"+strings.Repeat("<", 200)); err != nil {
			t.Fatal(err)
		}
	}
	_, entries := start()
	found := entries()
	emails := map[string]bool{}
	for _, e := range found {
		emails[e.Email] = true
		if e.Action != audit.Interrupted || !strings.HasPrefix(e.Object, "UpdateDevice /v1/devices/") || !strings.Contains(e.After, "the server ended") || e.At.IsZero() {
			t.Errorf("got %+v", e)
		}
	}
	if len(found) != 2 || !emails[owner.Email] {
		t.Errorf("got %d entries of %v, want one for each of two", len(found), slices.Collect(maps.Keys(emails)))
	}
	if _, entries = start(); len(entries()) != 0 {
		t.Error("a further start: they have entries again")
	}
}
