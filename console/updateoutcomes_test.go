package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// broken is a registry whose devices' last updates all went wrong; it keeps the queries.
type broken struct {
	team
	devices []fleet.DeviceView // in the order of the list asked for
	asked   []fleet.DeviceQuery
}

func (r *broken) Devices(_ context.Context, _ fleet.Actor, q fleet.DeviceQuery) (fleet.DeviceViews, error) {
	r.asked = append(r.asked, q)
	from, _ := strconv.Atoi(q.After)
	to := min(from+q.Limit, len(r.devices))
	page := fleet.DeviceViews{Devices: r.devices[from:to], Total: len(r.devices)}
	if to < len(r.devices) {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

func visitTo(t *testing.T, r Registry, target string) *visit {
	t.Helper()
	c := New(Config{}, r, nil, nil, slog.New(slog.DiscardHandler))
	return &visit{Console: c, w: httptest.NewRecorder(), r: httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)}
}

func TestWhatWentWrongLastIsShownFirst(t *testing.T) {
	began := time.Unix(1_700_000_000, 0)
	for devices, shown := range map[int]int{0: 0, 3: 3, 251: latestRows} {
		r := &broken{}
		for i := range devices { // 7 shares no factor with their number: the order of the list says nothing
			d := fleet.DeviceView{Device: fleet.Device{ID: fleet.DeviceID(fmt.Sprintf("d-%03d", i))}}
			d.Update = fleet.Update{State: fleet.Failed, Changed: began.Add(time.Duration(7*i%devices) * time.Minute)}
			r.devices = append(r.devices, d)
		}
		latest, total, err := visitTo(t, r, "/").latestWrong()
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
	v := visitTo(t, &broken{}, "/")
	for want, c := range map[string]struct {
		role   fleet.Role
		action fleet.Action
	}{
		"takes an admin; you are a viewer":  {fleet.Viewer, fleet.ManageUsers},
		"takes an editor; you are a viewer": {fleet.Viewer, fleet.UploadFirmware},
		"takes the owner; you are an admin": {fleet.Admin, fleet.ManageAdmins},
		"takes an admin; you are an editor": {fleet.Editor, fleet.ReleaseDefault},
		"":                                  {fleet.Owner, fleet.OwnTeam},
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
	for query, want := range map[string]fleet.DeviceQuery{
		"update=failed&to=3":  {Updates: []fleet.UpdateState{fleet.Failed}, UpdateTo: fleet.WholeVersion(3)},
		"update=rolled_back":  {Updates: []fleet.UpdateState{fleet.RolledBack}},
		"update=wrong":        {Updates: wentBad},
		"update=running":      {Updates: underWay},
		"update=nothing-like": {},
	} {
		v := visitTo(t, &broken{}, "/p/lamp/devices?"+query)
		got, err := v.query(v.deviceFilter(), nil)
		if !slices.Equal(got.Updates, want.Updates) || got.UpdateTo != want.UpdateTo || (err != nil) != (want.Updates == nil) {
			t.Errorf("%s: got %v to %s, error %v", query, got.Updates, got.UpdateTo, err)
		}
	}
	v := visitTo(t, &broken{}, "/p/lamp/devices?update=failed&to=3&q=a")
	if got, want := v.deviceFilter().Words(), "“a” in the id or name, last update to version 3: failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := v.deviceFilter().values().Encode(), "q=a&to=3&update=failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
