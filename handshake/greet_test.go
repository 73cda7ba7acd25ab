package handshake

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func hello(version uint32) wire.Hello { return wire.NewHello(fleet.WholeVersion(version)) }

func TestHelloIsWrittenWithItsDecisionInOneSave(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a", Boot: 7, Session: 4})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	h := hello(3)
	h.Hardware, h.UpdatesOn, h.Boot, h.Facts = "rev-b", false, 8, []byte{0xa0}
	ended := fleet.Update{ID: fleet.NewUpdateID(), State: fleet.Confirmed}
	var seen fleet.Device
	g, err := Greet(t.Context(), s, session, h, func(d *fleet.Device, c *fleet.Catalog) (int, []fleet.Update) {
		seen = *d
		d.Flash = fleet.WholeVersion(9)
		return 7, []fleet.Update{ended}
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.loads != 1 || m.saves != 1 {
		t.Errorf("got %d loads and %d saves with the admission, want 1 and 1", m.loads, m.saves)
	}
	if seen.Boot != 7 || seen.Running != h.Version || seen.UpdatesOn {
		t.Errorf("decided on boot %d, running %s, updates on %v; want the boot before the Hello, its version, off", seen.Boot, seen.Running, seen.UpdatesOn)
	}
	d := m.devices["a"]
	if d.Session <= 4 || d.Boot != 8 || d.Hardware != "rev-b" || d.Address != "192.0.2.1" || string(d.Facts) != "\xa0" || d.Flash.String() != "9" {
		t.Errorf("got %+v", d)
	}
	if time.Since(d.LastHandshake) > time.Minute || d.LastHeard != d.LastHandshake {
		t.Errorf("got last handshake %s, last heard %s, want now", d.LastHandshake, d.LastHeard)
	}
	if g.Plan != 7 {
		t.Errorf("got plan %d, want the one that was decided", g.Plan)
	}
	if session.Generation() != d.Session || len(g.Ended) != 1 || len(m.past) != 1 || m.past[0] != ended {
		t.Errorf("got generation %d, ended %v, history %v", session.Generation(), g.Ended, m.past)
	}
}

func TestOnlyTheFirstHelloOfASessionClaimsTheDevice(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	var sessions []uint64
	for range 3 {
		if _, err := Greet(t.Context(), s, session, hello(1), nothing); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, m.devices["a"].Session)
	}
	if len(slices.Compact(sessions)) != 1 || sessions[0] == 0 {
		t.Errorf("got sessions %v, want one", sessions)
	}
}

func TestHelloOfAnEarlierSessionIsRefused(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	s := New(Config{}, m, m)
	older, newer := admit(t, s, "a"), admit(t, s, "a")
	for _, session := range []*Session{older, newer} {
		if _, err := Greet(t.Context(), s, session, hello(1), nothing); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Greet(t.Context(), s, older, hello(2), nothing); !errors.Is(err, fleet.Conflict) {
		t.Errorf("got %v, want conflict", err)
	}
	if _, err := Reevaluate(t.Context(), s, older, nothing); !errors.Is(err, fleet.Conflict) {
		t.Errorf("decided again: got %v, want conflict", err)
	}
	if d := m.devices["a"]; d.Running.String() != "1" || d.Session != newer.Generation() || d.Session <= older.Generation() {
		t.Errorf("got running %s session %d, want 1 and that of the newer", d.Running, d.Session)
	}
}

func TestHelloAfterTheEndIsRefused(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	session.End()
	if _, err := Greet(t.Context(), s, session, hello(1), nothing); !errors.Is(err, fleet.Conflict) || m.saves != 0 {
		t.Errorf("got %v and %d saves, want conflict and none", err, m.saves)
	}
}

func TestDeviceThatMovedIsDecidedAgain(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	m.edit("a", func(d *fleet.Device) { d.Lock = fleet.WholeVersion(5) })
	var locks []string
	g, err := Greet(t.Context(), s, session, hello(1), func(d *fleet.Device, _ *fleet.Catalog) (int, []fleet.Update) {
		locks = append(locks, d.Lock.String())
		return 0, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(locks) != 2 || locks[1] != "5" || g.Device.Lock.String() != "5" || g.Device.Session == 0 {
		t.Errorf("decided on locks %q, saved lock %s session %d; want twice, then 5 and 1", locks, g.Device.Lock, g.Device.Session)
	}
}

func TestCatalogThatMovedIsDecidedAgain(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	first := true
	m.onSave = func(*fleet.Device) {
		if first {
			m.catalog.Revision, first = 2, false
		}
	}
	var revisions []uint64
	g, err := Greet(t.Context(), s, session, hello(1), func(d *fleet.Device, c *fleet.Catalog) (int, []fleet.Update) {
		revisions = append(revisions, c.Revision)
		return len(revisions), []fleet.Update{{Attempt: len(revisions)}}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(revisions) != 2 || revisions[1] != 2 || g.Catalog.Revision != 2 || g.Device.Session == 0 || len(g.Ended) != 2 || g.Plan != 2 {
		t.Errorf("decided by %v, by %d in the end, session %d, ended %v; want [1 2], 2, 1 and both", revisions, g.Catalog.Revision, g.Device.Session, g.Ended)
	}
}

func TestDeviceThatKeepsMovingIsBusy(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	m.onSave = func(d *fleet.Device) { m.edit(d.ID, func(*fleet.Device) {}) }
	if _, err := Greet(t.Context(), s, session, hello(1), nothing); !errors.Is(err, fleet.Busy) || m.saves != maxTries {
		t.Errorf("got %v after %d saves, want busy after %d", err, m.saves, maxTries)
	}
}

func TestDeviceThatWasDisabledOrDeletedMeanwhileIsRefused(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"}, fleet.Device{ID: "b"})
	s := New(Config{}, m, m)
	a, b := admit(t, s, "a"), admit(t, s, "b")
	m.edit("a", func(d *fleet.Device) { d.Disabled = true })
	delete(m.devices, "b")
	if _, err := Greet(t.Context(), s, a, hello(1), nothing); !errors.Is(err, fleet.Disabled) {
		t.Errorf("disabled: got %v", err)
	}
	if _, err := Greet(t.Context(), s, b, hello(1), nothing); !errors.Is(err, fleet.NotFound) {
		t.Errorf("deleted: got %v", err)
	}
}

func TestDecidingAgainWithoutAChangeSavesNothing(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	if _, err := Reevaluate(t.Context(), s, session, nothing); !errors.Is(err, fleet.Conflict) {
		t.Errorf("before the first Hello: got %v, want conflict", err)
	}
	if _, err := Greet(t.Context(), s, session, hello(1), nothing); err != nil {
		t.Fatal(err)
	}
	m.edit("a", func(d *fleet.Device) { d.Flash = fleet.WholeVersion(2) }) // as an operator does
	g, err := Reevaluate(t.Context(), s, session, nothing)
	if err != nil || m.saves != 1 || g.Device.Flash.String() != "2" {
		t.Errorf("got %v, %d saves, flash %s; want none, 1, 2", err, m.saves, g.Device.Flash)
	}
	g, err = Reevaluate(t.Context(), s, session, func(d *fleet.Device, _ *fleet.Catalog) (int, []fleet.Update) {
		d.Flash = fleet.Version{}
		return 0, nil
	})
	if err != nil || m.saves != 2 || !m.devices["a"].Flash.IsZero() || g.Device.Session == 0 {
		t.Errorf("got %v, %d saves, %+v", err, m.saves, m.devices["a"])
	}
}

func TestFactsThatAreTheSameKeepTheirSlice(t *testing.T) {
	kept := []byte{0xa0}
	m := newMemory(fleet.Device{ID: "a", Facts: kept})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	h := hello(1)
	h.Facts = []byte{0xa0}
	g, err := Greet(t.Context(), s, session, h, nothing)
	if err != nil || &g.Device.Facts[0] != &kept[0] {
		t.Errorf("got %v, another slice", err)
	}
	h.Facts = nil
	if g, err = Greet(t.Context(), s, session, h, nothing); err != nil || len(g.Device.Facts) != 1 {
		t.Errorf("facts not said: got %v %x, want them kept", err, g.Device.Facts)
	}
}

func TestOtherBytesAreNewsOnce(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	m.catalog.Firmware = map[string]fleet.Firmware{
		"3.0.0": {Version: fleet.WholeVersion(3), Digest: fleet.Digest{3}},
		"4.0.0": {Version: fleet.WholeVersion(4), Digest: fleet.Digest{4}},
	}
	s := New(Config{}, m, m)
	for _, row := range []struct {
		name     string
		version  uint32
		digest   byte
		want     bool
		misnamed bool
	}{
		{"uploaded bytes", 3, 3, false, false},
		{"other bytes", 3, 9, true, false},
		{"still other bytes", 3, 9, false, false},
		{"other bytes of another version", 4, 9, true, false},
		{"right again", 4, 4, false, false},
		{"wrong again", 4, 9, true, false},
		{"the bytes of the other version", 4, 3, false, true},
		{"still those", 4, 3, false, false},
		{"under another label", 7, 3, false, true},
	} {
		h := hello(row.version)
		h.Digest = fleet.Digest{row.digest}
		g, err := Greet(t.Context(), s, admit(t, s, "a"), h, nothing) // each in a session of its own
		if err != nil || g.Differs != row.want || g.Misnamed != row.misnamed {
			t.Errorf("%s: got %v, %v, %v, want %v, %v", row.name, g.Differs, g.Misnamed, err, row.want, row.misnamed)
		}
	}
}
