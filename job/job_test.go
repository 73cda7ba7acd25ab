package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/store/jobs"
)

func groupsOrder() Order {
	return Order{Product: product, Action: jobs.Groups, Query: fleet.DeviceQuery{Groups: []fleet.GroupID{old}}, Of: "in old", Add: []string{"beta"}, Remove: []string{"old"}}
}

func TestAJobHasItsDevicesFromItsStartAndOneAuditEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.devices(2*partSize+7, in(old))
	impact := must[Impact](t)(w.Preview(t.Context(), owner, groupsOrder()))
	if impact.Devices != 2*partSize+7 || impact.Targets == nil {
		t.Errorf("the impact is %+v", impact)
	}
	j := must[Job](t)(w.Start(t.Context(), owner, groupsOrder()))
	w.Device("late", "1", in(old))
	w.steps(1)
	if now := w.job(j.Number); now.State != jobs.Running || now.Done != partSize {
		t.Errorf("after a part it is %s with %d done", now.State, now.Done)
	}
	w.steps(0)
	now := w.job(j.Number)
	if now.State != jobs.Done || now.Done != 2*partSize+7 || now.Left() != 0 || len(now.Reasons) > 0 {
		t.Errorf("at the end it is %+v", now)
	}
	left := must[[]fleet.DeviceID](t)(w.Store.Index.IDs(fleet.DeviceQuery{Actor: owner, Groups: []fleet.GroupID{old}}))
	if !slices.Equal(left, []fleet.DeviceID{"1/late"}) {
		t.Errorf("%v are in the old group", left)
	}
	entries := w.audited()
	if len(entries) != 1 || entries[0].Action != "job.groups" || !strings.Contains(entries[0].After, `"done":1007`) {
		t.Errorf("the audit log has %+v", entries)
	}
	w.nothingLeft(j.Number)
}

// A process that is killed after it did a part and before it stored that, does the part again.
func TestAJobContinuesAfterAKillAndDoesNothingTwice(t *testing.T) {
	held := func(d *fleet.Device) {
		d.Attempts = fleet.Attempts{Target: otatest.Version("2"), Spent: 1, Held: true}
	}
	running := func(d *fleet.Device) {
		d.Update = fleet.Update{ID: fleet.UpdateID{1}, Product: product, From: otatest.Version("1"), To: otatest.Version("2"), State: fleet.Offered, Started: time.Now()}
	}
	for name, row := range map[string]struct {
		order  Order
		device func(*fleet.Device)
		holds  func(*testing.T, *world, fleet.DeviceID) bool
	}{
		"groups": {Order{Action: jobs.Groups, Add: []string{"beta"}}, nil, func(_ *testing.T, w *world, id fleet.DeviceID) bool {
			return slices.Equal(w.Record(id).Groups, []fleet.GroupID{beta})
		}},
		"lock": {Order{Action: jobs.Lock, Version: otatest.Version("2")}, nil, func(_ *testing.T, w *world, id fleet.DeviceID) bool {
			return w.Record(id).Lock.Equal(otatest.Version("2"))
		}},
		"disable": {Order{Action: jobs.Disable}, nil, func(_ *testing.T, w *world, id fleet.DeviceID) bool { return w.Record(id).Disabled }},
		"command": {Order{Action: jobs.Command, Command: "blink", Payload: []byte("1")}, nil, func(t *testing.T, w *world, id fleet.DeviceID) bool {
			return len(must[[]fleet.Command](t)(w.Store.Messages.Commands(t.Context(), id))) == 1
		}},
		"delete": {Order{Action: jobs.Delete}, nil, func(t *testing.T, w *world, id fleet.DeviceID) bool {
			_, err := w.Store.Devices.Device(t.Context(), id)
			return errors.Is(err, fleet.NotFound)
		}},
		"resume": {Order{Action: jobs.Resume}, held, func(_ *testing.T, w *world, id fleet.DeviceID) bool { return !w.Record(id).Attempts.Held }},
		"retry":  {Order{Action: jobs.Retry}, held, func(_ *testing.T, w *world, id fleet.DeviceID) bool { return w.Record(id).Attempts.Spent == 0 }},
		"stop": {Order{Action: jobs.Stop}, running, func(_ *testing.T, w *world, id fleet.DeviceID) bool {
			return w.Record(id).Update.State == fleet.Stopped && len(w.History(id)) == 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var change []func(*fleet.Device)
			if row.device != nil {
				change = append(change, row.device)
			}
			ids := w.devices(partSize+3, change...)
			row.order.Product, row.order.Devices = product, ids
			j := must[Job](t)(w.Start(t.Context(), owner, row.order))
			first := must[[]fleet.DeviceID](t)(w.jobs.Devices(t.Context(), team, j.Number, 0))
			for _, err := range must[[]error](t)(w.do(t.Context(), owner, &j, first[:partSize/2], false)) {
				if err != nil {
					t.Fatal(err)
				}
			}
			w.killed()
			w.steps(0)
			if now := w.job(j.Number); now.State != jobs.Done || now.Done != len(ids) {
				t.Errorf("it is %s with %d of %d done: %v", now.State, now.Done, len(ids), now.Reasons)
			}
			for _, id := range ids {
				if !row.holds(t, w, id) {
					t.Fatalf("%s is not as the job makes it: %+v", id, w.Store.Devices)
				}
			}
			if entries := w.audited(); len(entries) != 1 {
				t.Errorf("the audit log has %d entries", len(entries))
			}
			w.nothingLeft(j.Number)
		})
	}
}

// A part that was flashed is not flashed again, although its devices have consumed that.
func TestAFlashIsNotRepeated(t *testing.T) {
	j := &Job{Version: "2", Started: time.Now()}
	for name, row := range map[string]struct {
		device fleet.Device
		want   bool
	}{
		"not yet":       {fleet.Device{}, false},
		"about to":      {fleet.Device{Flash: otatest.Version("2")}, true},
		"began since":   {fleet.Device{Update: fleet.Update{To: otatest.Version("2"), Started: j.Started.Add(1)}}, true},
		"began before":  {fleet.Device{Update: fleet.Update{To: otatest.Version("2"), Started: j.Started.Add(-1)}}, false},
		"other version": {fleet.Device{Update: fleet.Update{To: otatest.Version("1"), Started: j.Started.Add(1)}}, false},
	} {
		if got := flashed(&row.device, otatest.Version("2"), j); got != row.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestAJobOfAKilledStartIsDropped(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.devices(3, in(old))
	j := must[Job](t)(w.check(ctx, owner, groupsOrder()))
	j, _, err := w.jobs.Add(ctx, team, j, func([]Job) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	must[jobs.Entry](t)(w.jobs.Enter(ctx, team, j.Number))
	if err := w.jobs.PutDevices(ctx, team, j.Number, 0, []fleet.DeviceID{"1/d-00000"}); err != nil {
		t.Fatal(err)
	}
	w.killed()
	w.steps(0)
	if all := must[[]Job](t)(w.jobs.List(ctx, team)); len(all) > 0 {
		t.Errorf("there are %+v", all)
	}
	w.nothingLeft(j.Number)
}

func TestRightsAreAskedAgainWhileAJobRuns(t *testing.T) {
	order := Order{Product: product, Action: jobs.Lock, Version: otatest.Version("2"), Query: fleet.DeviceQuery{}}
	for name, row := range map[string]struct {
		withdraw func(context.Context, *world) error
		state    State
		skipped  int
	}{
		"groups": {func(ctx context.Context, w *world) error {
			_, err := w.teams.EditMember(ctx, team, editor.User, func(m *fleet.Member) error { m.Groups = nil; return nil })
			return err
		}, jobs.Done, 5},
		"role": {func(ctx context.Context, w *world) error {
			_, err := w.teams.EditMember(ctx, team, editor.User, func(m *fleet.Member) error { m.Role = fleet.Viewer; return nil })
			return err
		}, jobs.Failed, 0},
		"membership": {func(ctx context.Context, w *world) error { return w.teams.RemoveMember(ctx, team, editor.User) }, jobs.Failed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), t.Context()
			w.devices(partSize+5, in(beta))
			j := must[Job](t)(w.Start(ctx, editor, order))
			w.steps(1)
			if err := row.withdraw(ctx, w); err != nil {
				t.Fatal(err)
			}
			w.steps(0)
			now, troubles, err := w.Job(ctx, owner, j.Number)
			if err != nil || now.State != row.state || now.Done != partSize || now.Skipped != row.skipped || len(troubles) != row.skipped || now.Left() != 5-row.skipped {
				t.Errorf("got %+v, %v, %v", now, troubles, err)
			}
			if (row.state == jobs.Failed) != strings.Contains(now.Why, editor.Email) {
				t.Errorf("why: %q", now.Why)
			}
		})
	}
}

func TestACanceledJobLeavesTheRest(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.devices(3*partSize, in(old))
	j := must[Job](t)(w.Start(ctx, owner, groupsOrder()))
	second := must[Job](t)(w.Start(ctx, owner, Order{Product: product, Action: jobs.Disable, Query: fleet.DeviceQuery{}}))
	w.steps(1)
	for _, n := range []uint32{j.Number, second.Number} {
		if got := must[Job](t)(w.Cancel(ctx, owner, n)); got.State != jobs.Canceled {
			t.Errorf("it is %s", got.State)
		}
		if _, err := w.Cancel(ctx, owner, n); !errors.Is(err, fleet.Conflict) {
			t.Errorf("canceled twice: got %v", err)
		}
	}
	w.steps(0)
	if now := w.job(j.Number); now.Done != partSize || now.Left() != 2*partSize || now.State != jobs.Canceled || now.Why != "by "+owner.Email {
		t.Errorf("got %+v", now)
	}
	if now := w.job(second.Number); now.Done != 0 || w.Record("d-00000").Disabled {
		t.Errorf("the second one did %d devices", now.Done)
	}
	if entries := w.audited(); len(entries) != 2 {
		t.Errorf("the audit log has %d entries, want one for each job", len(entries))
	}
	w.nothingLeft(j.Number)
}

func TestDevicesThatAreNotDoneAreCountedAndTheFirstKept(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	ids := w.devices(5)
	for range 2*MaxTroubles - 10 {
		ids = append(ids, fleet.DeviceID(fmt.Sprint("gone-", len(ids)))) // as users name them
	}
	j := must[Job](t)(w.Start(ctx, owner, Order{Product: product, Action: jobs.Unlock, Devices: ids}))
	w.steps(0)
	now, troubles, err := w.Job(ctx, owner, j.Number)
	if err != nil || now.State != jobs.Done || now.Done != 5 || now.Skipped != 190 || now.Reasons["not found"] != 190 || len(troubles) != MaxTroubles {
		t.Errorf("got %+v with %d devices, %v", now, len(troubles), err)
	}
	if troubles[0].Device != "1/gone-10" || troubles[0].Text != "no such device: gone-10" { // in the order of ids
		t.Errorf("the first is %+v", troubles[0])
	}
}

// Users name devices by their ids alone.
func TestDevicesThatAnOrderNamesAreThoseOfItsTeam(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.devices(2)
	w.Store.Devices.SetOnline("1/d-00000", true)
	order := Order{Product: product, Action: jobs.Unlock, Devices: []fleet.DeviceID{"d-00001", "d-00000", "d-00001"}}
	if impact := must[Impact](t)(w.Preview(ctx, owner, order)); impact.Devices != 2 || impact.Online != 1 {
		t.Errorf("the impact is %+v", impact)
	}
	j := must[Job](t)(w.Start(ctx, owner, order))
	if ids := must[[]fleet.DeviceID](t)(w.jobs.Devices(ctx, team, j.Number, 0)); !slices.Equal(ids, []fleet.DeviceID{"1/d-00000", "1/d-00001"}) {
		t.Errorf("its devices are %v", ids)
	}
}

func TestTheSameStartTwiceIsOneJob(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.devices(3, in(old))
	order := groupsOrder()
	order.Key = "form-1"
	first := must[Job](t)(w.Start(ctx, owner, order))
	w.steps(0)
	w.Device("more", "1", in(old))
	if again := must[Job](t)(w.Start(ctx, owner, order)); again.Number != first.Number {
		t.Errorf("the second start made job %d", again.Number)
	}
	order.Key = "form-2"
	if other := must[Job](t)(w.Start(ctx, owner, order)); other.Number == first.Number {
		t.Error("another form made no job of its own")
	}
}

func TestJobsOfATeamAreBounded(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.devices(3, in(old))
	order := Order{Product: product, Action: jobs.Unlock, Query: fleet.DeviceQuery{}}
	for range MaxOpen {
		must[Job](t)(w.Start(ctx, owner, order))
	}
	if _, err := w.Start(ctx, owner, order); !errors.Is(err, fleet.Busy) {
		t.Errorf("one more: got %v", err)
	}
	w.steps(0)
	for range jobs.MaxKept {
		must[Job](t)(w.Start(ctx, owner, order))
		w.steps(0)
	}
	if all := must[[]Job](t)(w.List(ctx, owner)); len(all) != jobs.MaxKept {
		t.Errorf("%d jobs are kept", len(all))
	}
	if err := fits([]Job{{Devices: MaxDevices - 5, Done: 4}}, 10); !errors.Is(err, fleet.Busy) {
		t.Errorf("too many devices: got %v", err)
	}
	if err := fits([]Job{{Devices: MaxDevices, Done: MaxDevices - 5}}, 10); err != nil {
		t.Errorf("devices that are done count: %v", err)
	}
}

func TestJobsAreSeenByWhoStartedThemAndByAdmins(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.devices(3, in(beta))
	mine := must[Job](t)(w.Start(ctx, editor, Order{Product: product, Action: jobs.Unlock, Query: fleet.DeviceQuery{}}))
	theirs := must[Job](t)(w.Start(ctx, owner, Order{Product: product, Action: jobs.Unlock, Query: fleet.DeviceQuery{}}))
	if all := must[[]Job](t)(w.List(ctx, owner)); len(all) != 2 || all[0].Number != theirs.Number {
		t.Errorf("the owner sees %+v", all)
	}
	if all := must[[]Job](t)(w.List(ctx, editor)); len(all) != 1 || all[0].Number != mine.Number {
		t.Errorf("the editor sees %+v", all)
	}
	if _, _, err := w.Job(ctx, editor, theirs.Number); !errors.Is(err, fleet.NotFound) {
		t.Errorf("the editor opens the owner's job: %v", err)
	}
	if _, err := w.Cancel(ctx, editor, theirs.Number); !errors.Is(err, fleet.NotFound) {
		t.Errorf("the editor cancels the owner's job: %v", err)
	}
	stranger := fleet.Actor{User: 9, Team: team + 1, Role: fleet.Owner}
	if _, err := w.Start(ctx, stranger, Order{Product: product, Action: jobs.Unlock, Query: fleet.DeviceQuery{}}); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another team starts a job: %v", err)
	}
	for _, action := range []Action{jobs.Groups, "nonsense"} {
		if _, err := w.Start(ctx, editor, Order{Product: product, Action: action, Add: []string{"beta"}}); err == nil {
			t.Errorf("an editor starts %s", action)
		}
	}
}

func TestTeamsTakeTurns(t *testing.T) {
	s := &Service{}
	for _, e := range []jobs.Entry{{Team: 1, Number: 1}, {Team: 1, Number: 2}, {Team: 2, Number: 1}, {Team: 3, Number: 4}} {
		s.queue = append(s.queue, &running{Entry: e})
	}
	var teams []fleet.TeamID
	for range 6 {
		r := s.next()
		if r.Team == 1 && r.Number != 1 {
			t.Error("a team's second job was begun before its first was over")
		}
		teams = append(teams, r.Team)
	}
	if want := []fleet.TeamID{1, 2, 3, 1, 2, 3}; !slices.Equal(teams, want) {
		t.Errorf("the turns are %v, want %v", teams, want)
	}
}

func TestRunDoesWhatIsStartedUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.devices(partSize+1, in(old))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	j := must[Job](t)(w.Start(t.Context(), owner, groupsOrder()))
	for !w.job(j.Number).State.Over() {
		<-time.After(5 * time.Millisecond)
	}
	cancel()
	<-ended
	if now := w.job(j.Number); now.State != jobs.Done || now.Done != partSize+1 {
		t.Errorf("got %+v", now)
	}
}
