package particle

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// TestEventDataIsSpelledAsListenersKnowIt pins the bytes: scripts read them.
func TestEventDataIsSpelledAsListenersKnowIt(t *testing.T) {
	update := fleet.Update{
		ID: fleet.UpdateID{1, 2}, From: version("1"), To: version("2.0.0-rc.1"), State: fleet.RolledBack, Reason: wire.ReasonOther, Attempt: 3, Next: 4, Size: 5,
	}
	for name, row := range map[string]struct {
		payload fleet.Payload
		groups  []string
		event   fleet.EventName
		want    string
	}{
		"online":                {fleet.StatusChanged{Status: fleet.StatusOnline}, nil, "spark/status", `online`},
		"offline":               {fleet.StatusChanged{Status: fleet.StatusOffline}, nil, "spark/status", `offline`},
		"auto-update":           {fleet.StatusChanged{Status: fleet.StatusAutoUpdate}, nil, "spark/status", `auto-update`},
		"flash begun":           {fleet.FlashChanged{Status: fleet.FlashStarted}, nil, "spark/flash/status", `started`},
		"flash stored":          {fleet.FlashChanged{Status: fleet.FlashSuccess}, nil, "spark/flash/status", `success`},
		"flash failed":          {fleet.FlashChanged{Status: fleet.FlashFailed}, nil, "spark/flash/status", `failed`},
		"handshake":             {fleet.HandshakeDone{}, nil, "muster/handshake", `{}`},
		"update":                {fleet.UpdateChanged{Update: update}, nil, "muster/update", `{"attempt":3,"from":"1","id":"` + update.ID.String() + `","reason":"other","received":4,"size":5,"state":"rolled_back","to":"2.0.0-rc.1"}`},
		"attached":              {fleet.GatewayChanged{Attached: true}, nil, "muster/gateway", `attached`},
		"detached":              {fleet.GatewayChanged{}, nil, "muster/gateway", `detached`},
		"message":               {fleet.MessageReceived{Topic: "msg/a", Size: 3}, nil, "muster/message", `{"size":3,"topic":"msg/a"}`},
		"alert":                 {fleet.AlertRaised{Type: 9, Alert: "hot", Text: "90°"}, nil, "muster/alert", `{"alert":"hot","message":"90°","type":9}`},
		"archived":              {fleet.AlertArchived{Archived: true}, nil, "muster/alert", `{"archived":true}`},
		"command":               {fleet.CommandChanged{Number: 7}, nil, "muster/command", `{"number":7}`},
		"lock":                  {fleet.DeviceLocked{Version: version("7")}, nil, "muster/device/lock", `{"desired_firmware_version":"7","locked":true}`},
		"unlock":                {fleet.DeviceLocked{}, nil, "muster/device/lock", `{"desired_firmware_version":"","locked":false}`},
		"development":           {fleet.DeviceDevelopment{Development: true}, nil, "muster/device/development", `{"development":true}`},
		"groups":                {fleet.DeviceGroupsChanged{}, []string{"a", "b"}, "muster/device/groups", `{"groups":["a","b"]}`},
		"hidden groups":         {fleet.DeviceGroupsChanged{}, nil, "muster/device/groups", `{}`},
		"edit":                  {fleet.DeviceEdited{DeviceName: "<hall>"}, nil, "muster/device/update", `{"name":"\u003chall\u003e"}`},
		"group":                 {fleet.GroupChanged{Action: fleet.GroupCreated, Group: "beta"}, []string{"beta"}, "muster/group", `{"action":"created","group":"beta","groups":["beta"]}`},
		"upload":                {fleet.FirmwareUploaded{Version: version("7")}, nil, "particle/firmware/create", `{"version":"7"}`},
		"release":               {fleet.FirmwareReleased{Version: version("7"), Immediate: true}, []string{"beta"}, "particle/firmware/release", `{"groups":["beta"],"immediate":true,"product_default":false,"version":7}`},
		"release of a semver":   {fleet.FirmwareReleased{Version: version("1.2.3"), Default: true}, nil, "particle/firmware/release", `{"immediate":false,"product_default":true,"version":"1.2.3"}`},
		"marker of missed ones": {fleet.EventsMissed{}, nil, "muster/missed", `{}`},
	} {
		v := fleet.EventView{Event: fleet.Event{Payload: row.payload}, GroupNames: row.groups}
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
