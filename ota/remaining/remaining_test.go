package remaining_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/calendar"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/otatest"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/remaining"
	"github.com/muster-iot/muster/wire"
)

var (
	admin = fleet.Actor{User: 1, Team: otatest.Team, Role: fleet.Admin}
	two   = otatest.Version("2")
)

// world is a product whose default is version 2, without devices.
func world(t *testing.T) (*otatest.Fleet, *remaining.Service) {
	f := otatest.New(t)
	f.AddFirmware("1", 1000)
	f.AddFirmware("2", 1000)
	f.Default("2")
	return f, remaining.New(remaining.Config{Catalogs: f.Store.Catalogs, Index: f.Store.Index, Pace: pace.New(), MaxAttempts: 3})
}

// Each device that does not run its target is counted once, by the first thing that is in the way.
func TestEachDeviceThatIsLeftHasOneCause(t *testing.T) {
	f, s := world(t)
	since := f.Catalog().Revision
	update := func(state fleet.UpdateState, reason fleet.ReasonCode) func(*fleet.Device) {
		return func(d *fleet.Device) { d.Update = fleet.Update{To: two, State: state, Reason: reason} }
	}
	spent := func(n int) func(*fleet.Device) {
		return func(d *fleet.Device) { d.Attempts = fleet.Attempts{Target: two, Spent: n, Since: since} }
	}
	want := map[string][]fleet.DeviceID{}
	for id, row := range map[fleet.DeviceID]struct {
		cause  string // "": it is not left
		online bool
		change []func(*fleet.Device)
	}{
		"offline":     {cause: "offline"},
		"online":      {cause: "handshake", online: true},
		"downloading": {cause: "downloading", online: true, change: []func(*fleet.Device){update(fleet.Downloading, 0)}},
		"applying":    {cause: "applying", change: []func(*fleet.Device){update(fleet.Applying, 0)}},
		"failed":      {cause: "failed", online: true, change: []func(*fleet.Device){update(fleet.Failed, wire.ReasonDigest), spent(1)}},
		"exhausted":   {cause: "exhausted", change: []func(*fleet.Device){update(fleet.Failed, wire.ReasonDigest), spent(3)}},
		"stopped": {cause: "held", online: true, change: []func(*fleet.Device){update(fleet.Stopped, wire.ReasonStopped), func(d *fleet.Device) {
			d.Attempts = fleet.Attempts{Target: two, Held: true, Since: since}
		}}},
		"declines":    {cause: "not_now", online: true, change: []func(*fleet.Device){func(d *fleet.Device) { d.UpdatesOn = false }}},
		"disabled":    {cause: "disabled", change: []func(*fleet.Device){func(d *fleet.Device) { d.Disabled = true }}},
		"small":       {cause: "too_large", change: []func(*fleet.Device){func(d *fleet.Device) { d.MaxImage = 10 }}},
		"locked":      {change: []func(*fleet.Device){func(d *fleet.Device) { d.Lock = otatest.Version("1") }}},
		"development": {change: []func(*fleet.Device){func(d *fleet.Device) { d.Development = true }}},
		"done":        {change: []func(*fleet.Device){func(d *fleet.Device) { d.Running = two }}},
	} {
		f.Device(id, "1", row.change...)
		f.Store.Index.SetOnline(id.In(1), row.online)
		if row.cause != "" {
			want[row.cause] = append(want[row.cause], id.In(1))
		}
	}
	for _, q := range []remaining.Query{{Product: otatest.Product}, {Product: otatest.Product, Version: two}} {
		got := map[string][]fleet.DeviceID{}
		causes, err := s.Causes(t.Context(), admin, q, 10)
		for _, c := range causes {
			got[c.Name] = c.First
			if c.Devices != len(c.First) || remaining.Text(c.Name) == "" {
				t.Errorf("%s: %d devices, named %v", c.Name, c.Devices, c.First)
			}
			q.Cause = c.Name
			list, _, err := s.Devices(t.Context(), admin, q, "", 10)
			if err != nil || len(list) != 1 || list[0].ID != c.First[0] || list[0].Cause != c.Name || !list[0].Target.Equal(two) {
				t.Errorf("%s: listed %+v, %v", c.Name, list, err)
			}
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v; -want +got\n%s", err, diff)
		}
	}
	if causes, err := s.Causes(t.Context(), admin, remaining.Query{Product: otatest.Product, Version: otatest.Version("1")}, 10); err != nil || len(causes) > 0 {
		t.Errorf("for a version that is nobody's target: got %v, %v", causes, err)
	}
}

// A retry and a change of the target free a device of what was in the way.
func TestAttemptsAtAnEarlierTargetAreNoCause(t *testing.T) {
	f, s := world(t)
	f.Device("back", "1", func(d *fleet.Device) {
		d.Attempts = fleet.Attempts{Target: two, Held: true, Since: f.Catalog().Revision}
	})
	cause := func() string {
		t.Helper()
		causes, err := s.Causes(t.Context(), admin, remaining.Query{Product: otatest.Product}, 1)
		if err != nil || len(causes) != 1 {
			t.Fatalf("got %v, %v", causes, err)
		}
		return causes[0].Name
	}
	if got := cause(); got != "held" {
		t.Errorf("stopped: got %s", got)
	}
	for _, v := range []string{"1", "2"} {
		f.EditCatalog(func(c *fleet.Catalog) {
			before := *c
			c.Default = otatest.Version(v)
			c.NoteMoves(&before)
		})
	}
	if got := cause(); got != "offline" {
		t.Errorf("the target changed and changed back: got %s, want offline", got)
	}
}

// A release with a plan is a cause only for those who see it, and only to them it can be asked for.
func TestAPlanIsACauseForThoseWhoSeeIt(t *testing.T) {
	f, s := world(t)
	group, err := f.Store.Teams.CreateGroup(t.Context(), fleet.Group{Team: otatest.Team, Name: "hidden"})
	if err != nil {
		t.Fatal(err)
	}
	f.Device("lamp", "1", func(d *fleet.Device) { d.Groups, d.UpdatesOn = []fleet.GroupID{group.ID}, true })
	f.Store.Index.SetOnline("1/lamp", true)
	f.EditCatalog(func(c *fleet.Catalog) {
		c.Default = fleet.Version{}
		c.Groups = map[fleet.GroupID]fleet.Version{group.ID: two}
		c.Staged = map[fleet.GroupID]fleet.Release{group.ID: {
			ID: 7, Group: group.ID, Version: two, State: fleet.ReleaseRunning, Share: fleet.Whole,
			Plan: fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: fleet.Whole}}, Windows: []calendar.Window{{From: 0, To: 1, Zone: calendar.Device}}},
		}}
	})
	q := remaining.Query{Product: otatest.Product, Release: 7}
	if causes, err := s.Causes(t.Context(), admin, q, 1); err != nil || len(causes) != 1 || causes[0].Name != "zone_unknown" {
		t.Errorf("an admin: got %v, %v", causes, err)
	}
	stranger := fleet.Actor{User: 2, Team: otatest.Team, Role: fleet.Viewer}
	if _, err := s.Causes(t.Context(), stranger, q, 1); !errors.Is(err, fleet.NotFound) {
		t.Errorf("a viewer without the group: got %v, want not found", err)
	}
	if _, err := s.Causes(t.Context(), fleet.Actor{User: 3, Team: otatest.Team + 1, Role: fleet.Owner}, q, 1); !errors.Is(err, fleet.NotFound) {
		t.Errorf("another team: got %v, want not found", err)
	}
	f.Edit("lamp", func(d *fleet.Device) { d.Groups = nil; d.Lock = two })
	if causes, err := s.Causes(t.Context(), stranger, remaining.Query{Product: otatest.Product}, 1); err != nil || len(causes) != 1 || causes[0].Name != "handshake" {
		t.Errorf("a viewer of the device: got %v, %v", causes, err)
	}
}

// Devices come and go between two pages: those that stay are each listed once.
func TestPagesOfWhatIsLeftMissNobodyWhoStays(t *testing.T) {
	f, s := world(t)
	stays := map[fleet.DeviceID]bool{}
	for i := range 25 {
		id := fleet.DeviceID(fmt.Sprintf("lamp-%02d", 2*i)).In(1)
		f.Device(id, "1")
		stays[id] = true
	}
	seen := map[fleet.DeviceID]int{}
	for page, after := 0, ""; page == 0 || after != ""; page++ {
		list, next, err := s.Devices(t.Context(), admin, remaining.Query{Product: otatest.Product}, after, 4)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			seen[d.ID]++
		}
		if len(list) > 0 {
			last := list[len(list)-1].ID
			if err := f.Store.Devices.Delete(t.Context(), last); err != nil { // the cursor itself
				t.Fatal(err)
			}
			delete(stays, last)
		}
		for _, other := range []string{"lamp-01", "lamp-47"} {
			f.Device(fleet.DeviceID(fmt.Sprintf("%s-%d", other, page)), "1")
		}
		after = next
	}
	for id, n := range seen {
		if n > 1 {
			t.Errorf("%s is listed %d times", id, n)
		}
	}
	for id := range stays {
		if seen[id] == 0 {
			t.Errorf("%s was there the whole time and is not listed", id)
		}
	}
	if _, _, err := s.Devices(t.Context(), admin, remaining.Query{Product: otatest.Product}, "no cursor", 4); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a cursor that is not one: got %v", err)
	}
}

// Devices behind a gateway at which a plan's limit is reached wait for it, others don't.
func TestAFullGatewayIsACauseForWhatIsBehindIt(t *testing.T) {
	f, s := world(t)
	f.EditCatalog(func(c *fleet.Catalog) {
		plan := fleet.ReleasePlan{Stages: []fleet.ReleaseStage{{Share: fleet.Whole}}, Limits: fleet.ReleaseLimits{Behind: 2}}
		r, err := c.Begin(fleet.Release{Version: otatest.Version("1"), Plan: plan}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		c.SetStaged(r)
		s.Pace.Set(pace.Key{Product: otatest.Product, Release: r.ID}, pace.Standing{Behind: map[fleet.DeviceID]int{"1/gw1": 2, "1/gw2": 1}}, 0, time.Now())
	})
	for _, id := range []fleet.DeviceID{"a1", "b1", "c2", "d2"} {
		f.Device(id, "2", func(d *fleet.Device) { d.Kind, d.Gateway = fleet.BLE, "gw"+id[1:] })
		f.Store.Index.SetOnline(id.In(1), true)
	}
	causes, err := s.Causes(t.Context(), admin, remaining.Query{Product: otatest.Product}, 10)
	want := []remaining.Cause{{Name: "gateway_limit", Devices: 2, First: []fleet.DeviceID{"1/a1", "1/b1"}}, {Name: "handshake", Devices: 2, First: []fleet.DeviceID{"1/c2", "1/d2"}}}
	if diff := cmp.Diff(want, causes); err != nil || diff != "" {
		t.Errorf("%v; -want +got\n%s", err, diff)
	}
	list, _, err := s.Devices(t.Context(), admin, remaining.Query{Product: otatest.Product, Cause: "gateway_limit"}, "", 10)
	if err != nil || len(list) != 2 || list[0].ID != "1/a1" || list[1].ID != "1/b1" {
		t.Errorf("listed %+v, %v", list, err)
	}
}
