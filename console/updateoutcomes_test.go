package console

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
)

func TestWhatWentWrongLastIsShownFirst(t *testing.T) {
	began := time.Unix(1_700_000_000, 0)
	for devices, shown := range map[int]int{0: 0, 3: 3, 251: latestRows} {
		w := withDevices(t)
		yes := true
		must[fleet.FirmwareView](t)(w.releases.Release(t.Context(), owner, 1, fleet.ReleaseOrder{Version: fleet.WholeVersion(2), Default: &yes}))
		var all []*fleet.Device
		for i := range devices { // 7 shares no factor with their number: the order of the list means nothing
			all = append(all, &fleet.Device{
				ID: fleet.DeviceID(fmt.Sprintf("d-%03d", i)), Team: 1, Product: 1, Secret: fleet.Secret{1}, Running: fleet.WholeVersion(1),
				Update: fleet.Update{State: fleet.Failed, Changed: began.Add(time.Duration(7*i%devices) * time.Minute)},
			})
		}
		for _, err := range w.store.Devices.CreateMany(t.Context(), all) {
			if err != nil {
				t.Fatal(err)
			}
		}
		latest, total, err := fleetPages{w.visit("/")}.latestWrong()
		if err != nil || total != devices || len(latest) != shown {
			t.Errorf("%d devices: got %d of %d, error %v", devices, len(latest), total, err)
		}
		for i, u := range latest {
			if want := began.Add(time.Duration(devices-1-i) * time.Minute); !u.Changed.Equal(want) {
				t.Errorf("%d devices, row %d: got one of %s, want %s", devices, i, u.Changed, want)
			}
		}
	}
}

func TestWhatAnActionTakesIsSaidInPlainWords(t *testing.T) {
	t.Parallel()
	v := newWorld(t).visit("/")
	for want, c := range map[string]struct {
		role   fleet.Role
		action fleet.Action
	}{
		"requires the admin role; yours is viewer":  {fleet.Viewer, fleet.ManageUsers},
		"requires the editor role; yours is viewer": {fleet.Viewer, fleet.UploadFirmware},
		"requires the owner role; yours is admin":   {fleet.Admin, fleet.ManageAdmins},
		"requires the admin role; yours is editor":  {fleet.Editor, fleet.ReleaseDefault},
		"": {fleet.Owner, fleet.OwnTeam},
	} {
		v.actor = fleet.Actor{User: 1, Team: 1, Role: c.role}
		if got := v.takes(c.action); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAProgramIsCalledWhatItsAddressBeginsWith(t *testing.T) {
	for email, want := range map[string]string{"build-server+378c7affaf@api.muster": "build-server", "odd@api.muster": "odd@api.muster"} {
		if got := (memberRow{Member: fleet.Member{Email: email, Program: true}}).Title(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := (memberRow{Member: fleet.Member{Email: "me+work@example.com"}}).Title(); got != "me+work@example.com" {
		t.Errorf("a person is called %q", got)
	}
}

func TestListAsksForDevicesByTheirLastUpdate(t *testing.T) {
	w := withLamp(t)
	for query, want := range map[string]fleet.DeviceQuery{
		"update=failed&to=3":  {Updates: []fleet.UpdateState{fleet.Failed}, UpdateTo: fleet.WholeVersion(3)},
		"update=rolled_back":  {Updates: []fleet.UpdateState{fleet.RolledBack}},
		"update=wrong":        {Updates: filter.WentBad},
		"update=running":      {Updates: filter.UnderWay},
		"update=nothing-like": {},
	} {
		v := w.visit("/p/lamp/devices?" + query)
		got, err := listPages{v}.query(v.deviceFilter())
		if !slices.Equal(got.Updates, want.Updates) || got.UpdateTo != want.UpdateTo || (err != nil) != (want.Updates == nil) {
			t.Errorf("%s: got %v to %s, error %v", query, got.Updates, got.UpdateTo, err)
		}
	}
	v := w.visit("/p/lamp/devices?update=failed&to=3&q=a")
	if got, want := v.deviceFilter().Words(), "“a” in the id, name or notes, last update to version 3: failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := v.deviceFilter().values().Encode(), "q=a&to=3&update=failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
