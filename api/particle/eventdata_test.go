package particle

import (
	"testing"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// TestEventDataIsSpelledAsListenersKnowIt pins the bytes: scripts read them.
func TestEventDataIsSpelledAsListenersKnowIt(t *testing.T) {
	update := fleet.Update{
		ID: fleet.UpdateID{1, 2}, From: version("1"), To: version("2.0.0-rc.1"), State: fleet.RolledBack, Reason: wire.ReasonOther, Attempt: 3, Next: 4, Size: 5,
	}
	for name, row := range map[string]struct {
		payload event.Payload
		groups  []string
		event   event.Name
		want    string
	}{
		"online":                {event.StatusChanged{Status: event.StatusOnline}, nil, "spark/status", `online`},
		"offline":               {event.StatusChanged{Status: event.StatusOffline}, nil, "spark/status", `offline`},
		"auto-update":           {event.StatusChanged{Status: event.StatusAutoUpdate}, nil, "spark/status", `auto-update`},
		"flash begun":           {event.FlashChanged{Status: event.FlashStarted}, nil, "spark/flash/status", `started`},
		"flash stored":          {event.FlashChanged{Status: event.FlashSuccess}, nil, "spark/flash/status", `success`},
		"flash failed":          {event.FlashChanged{Status: event.FlashFailed}, nil, "spark/flash/status", `failed`},
		"handshake":             {event.HandshakeDone{}, nil, "muster/handshake", `{}`},
		"update":                {event.UpdateChanged{Update: update}, nil, "muster/update", `{"attempt":3,"from":"1","id":"` + update.ID.String() + `","reason":"other","received":4,"size":5,"state":"rolled_back","to":"2.0.0-rc.1"}`},
		"attached":              {event.GatewayChanged{Attached: true}, nil, "muster/gateway", `attached`},
		"detached":              {event.GatewayChanged{}, nil, "muster/gateway", `detached`},
		"message":               {event.MessageReceived{Topic: "msg/a", Size: 3}, nil, "muster/message", `{"size":3,"topic":"msg/a"}`},
		"alert":                 {event.AlertRaised{Type: 9, Alert: "hot", Text: "90°"}, nil, "muster/alert", `{"alert":"hot","message":"90°","type":9}`},
		"archived":              {event.AlertArchived{Archived: true}, nil, "muster/alert", `{"archived":true}`},
		"command":               {event.CommandChanged{Number: 7}, nil, "muster/command", `{"number":7}`},
		"lock":                  {event.DeviceLocked{Version: version("7")}, nil, "muster/device/lock", `{"desired_firmware_version":"7","locked":true}`},
		"unlock":                {event.DeviceLocked{}, nil, "muster/device/lock", `{"desired_firmware_version":"","locked":false}`},
		"development":           {event.DeviceDevelopment{Development: true}, nil, "muster/device/development", `{"development":true}`},
		"groups":                {event.DeviceGroupsChanged{}, []string{"a", "b"}, "muster/device/groups", `{"groups":["a","b"]}`},
		"hidden groups":         {event.DeviceGroupsChanged{}, nil, "muster/device/groups", `{}`},
		"edit":                  {event.DeviceEdited{DeviceName: "<hall>"}, nil, "muster/device/update", `{"name":"\u003chall\u003e"}`},
		"group":                 {event.GroupChanged{Action: event.GroupCreated, Group: "beta"}, []string{"beta"}, "muster/group", `{"action":"created","group":"beta","groups":["beta"]}`},
		"upload":                {event.FirmwareUploaded{Version: version("7")}, nil, "particle/firmware/create", `{"version":"7"}`},
		"release":               {event.FirmwareReleased{Version: version("7"), Immediate: true}, []string{"beta"}, "particle/firmware/release", `{"groups":["beta"],"immediate":true,"product_default":false,"version":7}`},
		"release of a semver":   {event.FirmwareReleased{Version: version("1.2.3"), Default: true}, nil, "particle/firmware/release", `{"immediate":false,"product_default":true,"version":"1.2.3"}`},
		"marker of missed ones": {event.Missed{}, nil, "muster/missed", `{}`},
	} {
		v := event.View{Event: event.Event{Payload: row.payload}, GroupNames: row.groups}
		if got := eventData(v); v.Name() != row.event || got != row.want {
			t.Errorf("%s: got %s %s, want %s %s", name, v.Name(), got, row.event, row.want)
		}
	}
}

func version(s string) fleet.Version {
	v, err := fleet.ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}
