package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/devicelog"
	"github.com/muster-iot/muster/fleet"
)

// What keeps a device from its update stands in the head of its page.
func TestTheHeadOfADeviceSaysWhatHoldsIt(t *testing.T) {
	soon, seen := time.Now().Add(time.Hour), time.Now()
	for name, row := range map[string]struct {
		device fleet.Device
		want   []string
		online bool
	}{
		"nothing":       {fleet.Device{UpdatesOn: true, LastHandshake: seen}, nil, false},
		"never there":   {fleet.Device{}, nil, false},
		"no Hello":      {fleet.Device{}, []string{"no Hello yet"}, true},
		"online":        {fleet.Device{UpdatesOn: true, LastHandshake: seen}, nil, true},
		"not now":       {fleet.Device{LastHandshake: seen}, []string{"not now"}, false},
		"forced":        {fleet.Device{LastHandshake: seen, Force: true}, nil, false},
		"held":          {fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Held: true}}, []string{"held"}, false},
		"a cool-down":   {fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Spent: 1, NotBefore: soon}}, []string{"cool-down until " + soon.UTC().Format("15:04") + " UTC"}, false},
		"its cool-down": {fleet.Device{UpdatesOn: true, Attempts: fleet.Attempts{Spent: 1, NotBefore: seen.Add(-time.Minute)}}, nil, false},
	} {
		if diff := cmp.Diff(holds(fleet.DeviceView{Device: row.device, Online: row.online}), row.want); diff != "" {
			t.Errorf("%s: got (-), want (+):\n%s", name, diff)
		}
	}
}

func TestFactsAreRowsByTheirPath(t *testing.T) {
	facts := []byte("\xa2\x65modem\xa2\x64imei\x6212\x62fw\x07\x62tz\x63UTC") // {"modem": {"imei": "12", "fw": 7}, "tz": "UTC"}
	was := []byte("\xa2\x65modem\xa2\x64imei\x6212\x62fw\x06\x63old\x01")
	at := time.Unix(1_800_000_000, 0).UTC()
	old := func(fact, text string) []devicelog.Value {
		return []devicelog.Value{{Fact: fact, Text: text, Until: at}}
	}
	want := []factRow{{"modem.fw", "7", old("modem.fw", "6")}, {"modem.imei", "12", nil}, {"old", "", old("old", "1")}, {"tz", "UTC", nil}}
	if diff := cmp.Diff(factRows(fleet.DeviceView{Device: fleet.Device{Facts: facts, OldFacts: devicelog.Changed("", was, facts, at)}}), want); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
	if rows := factRows(fleet.DeviceView{}); rows != nil {
		t.Errorf("no facts: got %v", rows)
	}
}

// A note that somebody else has written meanwhile is shown, not overwritten.
func TestANoteIsNotOverwritten(t *testing.T) {
	w := withDevices(t)
	page := body(t, w.send(http.MethodGet, "/p/lamp/device/d-1", nil, w.signed))
	_, after, _ := strings.Cut(page, `name="seen" value="`)
	seen, _, _ := strings.Cut(after, `"`)
	theirs := "replaced on Monday"
	must[fleet.DeviceView](t)(w.registry.EditDevice(t.Context(), owner, 1, "d-1", fleet.DeviceEdit{Notes: &theirs}))
	answer := w.post("/p/lamp/device/d-1", url.Values{"act": {"describe"}, "name": {""}, "notes": {"mine"}, "seen": {seen}})
	if text := body(t, answer); seen == "" || answer.StatusCode != http.StatusConflict || !strings.Contains(text, theirs) {
		t.Errorf("with tag %q: got %d:\n%s", seen, answer.StatusCode, text)
	}
	if d := must[fleet.Device](t)(w.store.Devices.Device(t.Context(), "1/d-1")); d.Notes != theirs {
		t.Errorf("the notes are %q", d.Notes)
	}
}

// A BLE device is attached, moved and detached on its page, which asks first.
func TestABLEDeviceIsAttachedAndDetached(t *testing.T) {
	w := withDevices(t)
	w.setDevice("d-1", func(d *fleet.Device) { d.Kind = fleet.Gateway })
	w.setDevice("d-2", func(d *fleet.Device) { d.Kind = fleet.BLE })
	for _, step := range []struct{ query, asks, gateway string }{
		{"act=attach&gateway=d-1", "Attach d-2 to d-1?", "d-1"}, {"act=detach", "Detach d-2 from d-1?", ""},
	} {
		if page := body(t, w.send(http.MethodGet, "/p/lamp/device/d-2/confirm?"+step.query, nil, w.signed)); !strings.Contains(page, step.asks) {
			t.Errorf("%s: it does not ask %q:\n%s", step.query, step.asks, page)
		}
		form, _ := url.ParseQuery(step.query)
		if answer := w.post("/p/lamp/device/d-2", form); answer.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: got %d:\n%s", step.query, answer.StatusCode, body(t, answer))
		}
		if d := must[fleet.Device](t)(w.store.Devices.Device(t.Context(), "1/d-2")); d.Gateway.String() != step.gateway {
			t.Errorf("%s: it is attached to %q", step.query, d.Gateway)
		}
	}
}
