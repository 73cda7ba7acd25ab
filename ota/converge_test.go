package ota

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// unit is a device of the property test: what it runs and holds survives its connections.
type unit struct {
	runs    string
	holds   map[fleet.Digest]bool // images it has stored
	radio   *radio                // nil: offline
	applied string                // version it restarts into, "" for none
	boots   uint64
}

// TestWhateverHappensTheFleetConverges lets devices and operators do anything in any
// order, then has every device behave: all must run what the rules say, without a slot or
// a place in the line left behind.
func TestWhateverHappensTheFleetConverges(t *testing.T) {
	t.Parallel()
	f := otatest.New(t)
	for _, version := range []string{"1", "2", "3"} {
		f.AddFirmware(version, 20_000)
	}
	rapid.Check(t, func(rt *rapid.T) {
		const slots = 2
		f.Clear()
		w := overFleet(f, Config{MaxUpdates: slots, MaxWaiting: 3, CoolDown: []time.Duration{1}, MaxAttempts: 1 << 30})
		units := map[fleet.DeviceID]*unit{}
		for i := range 5 {
			id := fleet.DeviceID(fmt.Sprintf("d%d", i)).In(team)
			w.Device(id, "1", func(d *fleet.Device) {
				if i%2 == 0 {
					d.Groups = []fleet.GroupID{beta}
				}
			})
			units[id] = &unit{runs: "1", holds: map[fleet.Digest]bool{}}
		}
		settle := func() { // what package cloud does for devices that are ready
			for id := w.next(); id != ""; id = w.next() {
				if r := units[id].radio; r != nil {
					r.again(AtSlot)
				} else {
					w.Gone(id, nil)
				}
			}
		}
		check := func(what string, id fleet.DeviceID) {
			settle()
			s := w.Stats()
			if s.Running > slots || s.Waiting > 0 && s.Running < slots {
				rt.Fatalf("after %s: %d running, %d waiting", what, s.Running, s.Waiting)
			}
			for id := range w.slots.holders {
				if dl := w.running[id]; dl == nil || dl.stalled || dl.stored {
					rt.Fatalf("after %s: %s has a slot and no download", what, id)
				}
			}
			if d := w.Record(id); d.Update.State == fleet.Confirmed && !d.Running.Equal(d.Update.To) && units[id].radio != nil && d.Running == d.Update.From {
				rt.Fatalf("after %s: %s is confirmed and runs %s", what, id, d.Running)
			}
		}
		device := rapid.SampledFrom([]fleet.DeviceID{"1/d0", "1/d1", "1/d2", "1/d3", "1/d4"})
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			id := device.Draw(rt, "device")
			u := units[id]
			what := rapid.SampledFrom([]string{
				"connect", "connect", "drop", "hello", "take", "take", "want", "store", "store", "apply", "apply", "crash", "fail",
				"not now", "enable", "default", "group", "flash", "stop", "retry", "sweep",
			}).Draw(rt, "what")
			w.step(rt, id, u, what)
			check(fmt.Sprintf("%s of %s", what, id), id)
		}
		astray := func() (who []string) { // devices that don't run what they should
			for id := range units {
				d := w.Record(id)
				want, _, _ := precedence.Decide(precedence.Of(&d), w.Catalog())
				if !want.IsZero() && !d.Running.Equal(want) || !d.Flash.IsZero() {
					who = append(who, fmt.Sprintf("%s runs %s, flash %s; should run %s: %+v %+v", id, d.Running, d.Flash, want, d.Update, d.Attempts))
				}
			}
			return who
		}
		for i := 0; i == 0 || i < 12 && len(astray()) > 0; i++ { // now everyone behaves
			for id, u := range units {
				for _, what := range []string{"connect", "enable", "retry", "take all", "store", "apply", "drop"} {
					w.step(rt, id, u, what)
					check(what, id)
				}
			}
		}
		for _, who := range astray() {
			rt.Error(who)
		}
		if s := w.Stats(); s.Running+s.Waiting+s.Stalled != 0 || len(w.running) != 0 {
			rt.Errorf("left behind: %+v", s)
		}
	})
}

// anyone may stop and retry.
func anyone(*fleet.Device) error { return nil }

// step does one thing to a device, or one an operator does.
func (w *world) step(rt *rapid.T, id fleet.DeviceID, u *unit, what string) {
	switch what {
	case "default":
		w.Default(rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "version"))
	case "group":
		w.ReleaseTo(beta, rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "version"))
	case "flash":
		version := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "version")
		w.Edit(id, func(d *fleet.Device) { d.Flash = v(version) })
		if u.radio != nil {
			u.radio.again(AtChange)
		}
	case "stop":
		_ = w.Stop(w.T.Context(), id, anyone) // it may well have nothing to stop
	case "retry":
		if err := w.Retry(w.T.Context(), id, anyone); err != nil {
			rt.Fatal(err)
		}
	case "sweep":
		w.sweep(w.T.Context(), nil)
	case "connect":
		if u.radio == nil {
			u.connect(w, id)
		}
	default:
		if u.radio != nil {
			u.step(what)
		}
	}
}

// connect brings the device back; one that applied has restarted into its image.
func (u *unit) connect(w *world, id fleet.DeviceID) {
	if u.applied != "" {
		u.runs, u.applied = u.applied, ""
		u.boots++
	}
	u.radio, _ = w.connect(id, u.runs, func(h *wire.Hello) { h.Boot = u.boots + 1 })
}

// step does what only a connected device does.
func (u *unit) step(what string) {
	r := u.radio
	var offer wire.Offer
	if len(r.offers) > 0 {
		offer = r.offers[len(r.offers)-1]
	}
	running := r.w.Record(r.id).Update
	current := offer.Update != (fleet.UpdateID{}) && running.ID == offer.Update && running.State.Running()
	switch what {
	case "drop":
		r.gone()
		u.radio = nil
	case "hello":
		r.sayHello()
	case "take":
		r.take(2)
	case "take all":
		for range 10 {
			r.take(16)
			if current && r.count == 0 {
				r.want(0, 5)
			}
		}
		u.holds[offer.Digest] = true
	case "want":
		if offer.Count > 0 {
			r.want(1, 3)
		}
	case "store":
		if current {
			r.report(wire.ReportStored)
			u.holds[offer.Digest] = true
		}
	case "apply", "crash":
		if !current || !u.holds[offer.Digest] {
			return
		}
		r.report(wire.ReportApplying)
		r.gone()
		u.radio = nil
		if u.boots++; what == "apply" {
			u.applied = offer.Version.String()
		}
	case "fail":
		if current {
			r.report(wire.ReportFailed, func(p *wire.Report) { p.Reason = wire.ReasonDigest })
		}
	case "not now":
		r.report(wire.ReportUpdatesDisabled)
		r.hello.UpdatesOn = false
	case "enable":
		r.hello.UpdatesOn = true
		if r.report(wire.ReportUpdatesEnabled).Again {
			r.again(AtChange)
		}
	}
}
