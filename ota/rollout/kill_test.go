package rollout

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// The steps of the controller after which a process is killed: at each of them everything it has in
// memory is lost, and what comes after does not happen.
var steps = []string{"counted", "halted", "changed", "announced", "alerted", "canceled"}

const killHold = 8 * time.Second

// kills is a release of version 2 to 30 devices that run version 1, and the controller, which is killed
// again and again, in a time of the test's.
type kills struct {
	*otatest.Fleet
	draw    *rand.Rand
	now     time.Time
	service *Service
	armed   string // the step after which the process is killed; "": none
	cancel  context.CancelFunc

	runs   map[fleet.DeviceID]string // versions
	broken map[fleet.DeviceID]bool   // version 2 fails there
	failed map[fleet.DeviceID]bool
	alerts int
	killed int // in this stage
	counts map[string]int
}

// start is a new process: nothing is known but what is stored.
func (k *kills) start() {
	k.service = New(Config{
		Catalogs: k.Store.Catalogs, Teams: k.Store.Teams, Index: k.Store.Index, MaxAttempts: 1, Log: slog.New(slog.DiscardHandler),
		Audit:    audit.New(k.Store.Messages, slog.New(slog.DiscardHandler)),
		Alert:    func(context.Context, fleet.TeamID, string, string) { k.alerts++; k.at("alerted") },
		Announce: func(event.Event) { k.at("announced") },
		Counted:  func(fleet.ProductID, fleet.Release, fleet.ReleaseCounts) { k.at("counted"); k.at("canceled") },
		Halted:   func(fleet.ProductID, fleet.ReleaseID, uint64) { k.at("halted") },
		Changed:  func(fleet.ProductID, []fleet.DeviceID) { k.at("changed") },
	})
	k.service.now = func() time.Time { return k.now }
}

func (k *kills) at(step string) {
	if k.armed != step {
		return
	}
	k.counts[step]++
	k.armed = ""
	if step == "canceled" { // the store can't be reached from here on
		k.cancel()
		return
	}
	runtime.Goexit()
}

// process runs f in the present process, which is killed after a step, or not.
func (k *kills) process(step string, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	k.armed, k.cancel = step, cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	<-done
	if step != "" && k.armed == "" {
		k.killed++
		k.start()
	}
	k.armed = ""
}

func (k *kills) release() (fleet.Release, *fleet.Catalog) {
	c := k.Catalog()
	for _, r := range c.Releases() {
		return r, c
	}
	k.T.Fatal("no release")
	return fleet.Release{}, nil
}

// devices lets each device do, with a chance of one in n, what it is to do.
func (k *kills) devices(n int) (moved bool) {
	c := k.Catalog()
	for i := range 30 {
		id := fleet.DeviceID(fmt.Sprint("d", i))
		facts := precedence.Facts{ID: id, Running: otatest.Version(k.runs[id])}
		target, reason, winner := precedence.Decide(facts, c)
		if !target.Valid() || target.String() == k.runs[id] || target.String() == "2" && k.failed[id] || k.draw.IntN(n) > 0 {
			continue
		}
		moved = true
		u := fleet.Update{From: facts.Running, To: target, State: fleet.Confirmed, Release: precedence.Staged(facts, c, target, reason, winner)}
		if fails := target.String() == "2" && k.broken[id]; fails {
			k.failed[id] = true
			u.State, u.Reason = fleet.RolledBack, wire.ReasonRolledBack
			k.Edit(id, func(d *fleet.Device) {
				d.Update, d.Attempts = u, fleet.Attempts{Target: target, Spent: 1, Since: c.Revision}
			})
			continue
		}
		k.runs[id] = target.String()
		k.Edit(id, func(d *fleet.Device) { d.Running, d.Update = target, u })
	}
	return moved
}

// TestAReleaseIsRightWhateverMomentItsProcessIsKilledAt kills the controller after every step, at random
// moments of releases that grow, fail, are paused, halted and taken back, and checks after each: the share never
// shrinks and no stage is skipped, a hold is neither skipped nor stretched by more than what a kill may lose, what
// is halted stays halted, too many failures halt at the next look, each halt raises an alert, and in the end
// every device runs what it should.
func TestAReleaseIsRightWhateverMomentItsProcessIsKilledAt(t *testing.T) {
	t.Parallel()
	f := otatest.New(t)
	f.AddFirmware("1", 100)
	f.AddFirmware("2", 100)
	counts := map[string]int{}
	for seed := range uint64(24) {
		k := &kills{Fleet: f, draw: rand.New(rand.NewPCG(seed, 1)), now: time.Now(), counts: counts}
		k.play(seed)
	}
	for _, step := range steps {
		if counts[step] == 0 {
			t.Errorf("no process was killed after the step %q", step)
		}
	}
	t.Logf("killed after steps: %v", counts)
}

func (k *kills) play(seed uint64) {
	t := k.T
	k.Clear()
	k.Default("1")
	k.runs, k.broken, k.failed = map[fleet.DeviceID]string{}, map[fleet.DeviceID]bool{}, map[fleet.DeviceID]bool{}
	for i := range 30 {
		id := fleet.DeviceID(fmt.Sprint("d", i))
		k.Device(id, "1")
		k.runs[id], k.broken[id] = "1", seed%2 == 1 && k.draw.IntN(4) == 0
	}
	plan := fleet.ReleasePlan{
		Stages: []fleet.ReleaseStage{{Share: 3000, Hold: killHold}, {Share: 6000, Hold: killHold, Approve: seed%3 == 0}, {Share: fleet.Whole, Hold: killHold}},
		Sample: 3, Gate: 8000, Halt: fleet.ReleaseHalt{Failures: fleet.Bar{Devices: 3}, Return: time.Hour}, Revert: seed%4 == 1, Ask: seed%4 == 3,
	}
	k.EditCatalog(func(c *fleet.Catalog) {
		if _, err := c.Begin(fleet.Release{Version: otatest.Version("2"), Plan: plan}, time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	k.start()
	halts, entered, watched := 0, k.now, 0
	for step := 0; step < 250; step++ {
		before, _ := k.release()
		if before.State.Over() {
			break
		}
		k.now = k.now.Add(time.Second)
		k.devices(4)
		kill := ""
		if k.draw.IntN(4) > 0 {
			kill = steps[k.draw.IntN(len(steps))]
		}
		acts := fleet.ReleaseAction("")
		if k.draw.IntN(12) == 0 {
			acts = []fleet.ReleaseAction{fleet.PauseRelease, fleet.ResumeRelease, fleet.ApproveRelease, fleet.HaltRelease, fleet.ResumeRelease}[k.draw.IntN(5)]
		}
		k.process(kill, func(ctx context.Context) {
			if acts != "" {
				_, _ = k.service.Act(ctx, everyone(k.Catalog()), otatest.Product, before.ID, acts)
				return
			}
			if err := k.service.look(ctx, otatest.Product); err != nil && kill == "" {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
		after, _ := k.release()
		where := fmt.Sprintf("seed %d, step %d, %s, killed after %q: stage %d, %s, %s, to stage %d, %s, %s", seed, step, acts, kill,
			before.Stage, before.Share, before.State, after.Stage, after.Share, after.State)
		back := after.State == fleet.ReleaseReverting || after.State == fleet.ReleaseReverted
		stopped := after.State == fleet.ReleaseHalted || back
		if after.Share < before.Share && !back || after.Stage < before.Stage || after.Stage > before.Stage+1 || after.Salt != before.Salt {
			t.Fatal(where)
		}
		if before.State == fleet.ReleaseRunning {
			watched++
		}
		if grew := after.Stage != before.Stage || after.State == fleet.ReleaseDone; grew && acts == "" {
			if held := k.now.Sub(entered); held < killHold {
				t.Fatalf("%s: held for %s of %s", where, held, killHold)
			}
		}
		if lost := 2*k.killed + 2; after.State == fleet.ReleaseRunning && watched > int(killHold/time.Second)+lost {
			t.Fatalf("%s: it has run for %d looks, with %d kills, and a hold is %s", where, watched, k.killed, killHold)
		}
		if after.Stage != before.Stage {
			entered, watched, k.killed = k.now, 0, 0
		}
		if acts == "" && before.State == fleet.ReleaseHalted && !stopped {
			t.Fatalf("%s: nobody resumed it", where)
		}
		runs := before.State == fleet.ReleaseRunning || before.State == fleet.ReleaseWaiting || before.State == fleet.ReleasePaused
		if runs && stopped && acts == "" {
			halts++
		}
		if fails := len(k.failed) - before.Forgive.Failed; runs && kill == "" && acts == "" && (fails >= 3) != stopped {
			t.Fatalf("%s: %d devices failed", where, fails)
		}
	}
	k.end(halts)
}

// end brings the release to an end without kills.
func (k *kills) end(halts int) {
	t := k.T
	var r fleet.Release
	for range 200 {
		k.now = k.now.Add(time.Second)
		k.devices(1)
		var c *fleet.Catalog
		if r, c = k.release(); r.State.Over() {
			break
		}
		action := map[fleet.ReleaseState]fleet.ReleaseAction{
			fleet.ReleaseHalted: fleet.RevertRelease, fleet.ReleasePaused: fleet.ResumeRelease, fleet.ReleaseWaiting: fleet.ApproveRelease,
		}[r.State]
		if err := k.service.look(t.Context(), otatest.Product); err != nil {
			t.Fatal(err)
		}
		if action != "" {
			if _, err := k.service.Act(t.Context(), everyone(c), otatest.Product, r.ID, action); err != nil {
				t.Fatal(err)
			}
		}
	}
	for k.devices(1) {
	}
	want := map[fleet.ReleaseState]string{fleet.ReleaseDone: "2", fleet.ReleaseReverted: "1"}[r.State]
	for id, runs := range k.runs {
		if runs != want && !k.broken[id] {
			t.Errorf("release %s is %s, and %s runs %s", r.ID, r.State, id, runs)
		}
	}
	if k.alerts < halts {
		t.Errorf("it halted %d times by itself, and raised %d alerts", halts, k.alerts)
	}
	if why := r.Why; r.State == fleet.ReleaseReverted && !strings.Contains(why, "taken back") && !strings.Contains(why, "failed") {
		t.Errorf("it was reverted: %q", why)
	}
}
