package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// none means no version.
const none = 0

// world is what operators have done, judging by the answers they got: nothing enters it before the server
// has acknowledged it. It implements docs/rules.md a second time, in plain code.
type world struct {
	groups   []string
	versions []uint32

	mu       sync.Mutex
	units    map[fleet.DeviceID]*unit // guarded by mu, as all below
	releases map[string]uint32        // by group, "" for the product default
	commands map[fleet.DeviceID]int   // acknowledged
	unsure   map[fleet.DeviceID]int   // commands that may have been carried out besides
}

// unit is what operators decided about one device.
type unit struct {
	groups      map[string]bool
	lock        uint32 // none: not locked
	development bool
	stopped     bool // an update was stopped since the last retry
}

func newWorld(ids []fleet.DeviceID, groups []string, versions []uint32) *world {
	w := &world{groups: groups, versions: versions, units: map[fleet.DeviceID]*unit{}, releases: map[string]uint32{}, commands: map[fleet.DeviceID]int{}, unsure: map[fleet.DeviceID]int{}}
	for _, id := range ids {
		w.units[id] = &unit{groups: map[string]bool{}}
	}
	return w
}

// change records what was acknowledged.
func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// each changes devices.
func (w *world) each(ids []fleet.DeviceID, f func(*unit)) func() {
	return func() {
		for _, id := range ids {
			f(w.units[id])
		}
	}
}

// released records a release of v to exactly these groups; isDefault nil leaves the default as it is.
func (w *world) released(v uint32, groups []string, isDefault *bool) func() {
	return func() {
		maps.DeleteFunc(w.releases, func(g string, of uint32) bool { return g != "" && of == v && !slices.Contains(groups, g) })
		for _, g := range groups {
			w.releases[g] = v
		}
		switch {
		case isDefault == nil:
		case *isDefault:
			w.releases[""] = v
		case w.releases[""] == v:
			delete(w.releases, "")
		}
	}
}

// target is what a device must run in the end; none where it keeps what it runs.
func (w *world) target(id fleet.DeviceID) uint32 {
	u := w.units[id]
	highest := uint32(none)
	for g := range u.groups {
		highest = max(highest, w.releases[g])
	}
	switch {
	case u.development:
		return none
	case u.lock != none:
		return u.lock
	case highest != none:
		return highest
	}
	return w.releases[""]
}

// targets is what each device must run, for those that must run anything.
func (w *world) targets() map[fleet.DeviceID]uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[fleet.DeviceID]uint32{}
	for id := range w.units {
		if v := w.target(id); v != none {
			all[id] = v
		}
	}
	return all
}

// stopped are the devices whose update was stopped and not retried.
func (w *world) stopped() (ids []fleet.DeviceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, u := range w.units {
		if u.stopped {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (w *world) commandsSent() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, of := range w.commands {
		n += of
	}
	return n
}

// differs compares what the server lists of a device with what was acknowledged.
func (w *world) differs(id fleet.DeviceID, groups []string, lock fleet.Version, development bool) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, wrong := w.units[id], []string(nil)
	if want := slices.Sorted(maps.Keys(u.groups)); !slices.Equal(slices.Sorted(slices.Values(groups)), want) {
		wrong = append(wrong, fmt.Sprintf("%s is in groups %v, acknowledged were %v", id, groups, want))
	}
	if got := numberOf(lock); got != u.lock {
		wrong = append(wrong, fmt.Sprintf("%s is locked to %d, acknowledged was %d (0: not locked)", id, got, u.lock))
	}
	if development != u.development {
		wrong = append(wrong, fmt.Sprintf("%s: development is %v, acknowledged was %v", id, development, u.development))
	}
	return wrong
}

// numberOf is a version as the number that this harness uses, none for the zero Version.
func numberOf(v fleet.Version) uint32 {
	n, _ := v.Whole()
	return n
}
