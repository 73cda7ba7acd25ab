package job

import (
	"fmt"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/jobs"
)

func TestTheServerThatLeadsCarriesOutTheJobsOfAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leads := false
	w.config.Leads, w.config.Alive = func() bool { return leads }, func(string) bool { return false }
	w.Service = New(w.config)
	j := must[Job](t)(w.Start(t.Context(), owner, Order{Product: product, Action: Disable, Devices: w.devices(3)}))
	if w.mayRun(t.Context()) || w.next() != nil {
		t.Error("one that does not lead has something to do")
	}
	leads = true
	leader := New(w.config)
	if err := leader.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !leader.mayRun(t.Context()) {
		t.Fatal("it leads and may not run")
	}
	w.Service = leader
	w.steps(0)
	if done := w.job(j.Number); done.State != Done || done.Done != 3 {
		t.Errorf("got %s, %d devices", done.State, done.Done)
	}
	w.nothingLeft(j.Number)
}

// TestAJobThatIsBeingStartedIsItsServers: the one that leads must not take it for one that was cut off.
func TestAJobThatIsBeingStartedIsItsServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alive := true
	w.config.Leads, w.config.Alive = func() bool { return true }, func(string) bool { return alive }
	w.Service = New(w.config)
	j, _, err := w.jobs.Add(t.Context(), team, Job{Product: product, Action: Disable, User: 1, State: jobs.Preparing}, func([]Job) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	must[jobs.Entry](t)(w.jobs.Enter(t.Context(), team, j.Number))
	run := func() error {
		if err := w.gather(t.Context()); err != nil {
			return err
		}
		w.steps(0)
		_, err := w.jobs.Job(t.Context(), team, j.Number)
		return err
	}
	if err := run(); err != nil {
		t.Errorf("while its server lives: %v", err)
	}
	alive = false
	if err := run(); fleet.KindOf(err) != fleet.NotFound {
		t.Errorf("after its server has died it is there: %s", fmt.Sprint(err))
	}
	w.nothingLeft(j.Number)
}
