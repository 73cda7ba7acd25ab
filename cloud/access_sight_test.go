package cloud_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// What no answer to a member without group b may contain.
const (
	hiddenName  = "zz-hidden-b"
	hiddenNotes = "zz-described"
	hiddenColor = "#ab12cd"
)

// sight is a fleet with devices of every standing, and members with different groups.
type sight struct {
	*world
	owner  string
	tokens map[string]string
	team   fleet.TeamID
}

// standings are the devices and their groups; those after @ are behind that gateway.
var standings = map[string]string{
	"free": "", "in-a": "a", "in-b": "b", "in-ab": "a b", "in-bc": "b c", "gw-a": "a", "gw-b": "b",
	"ble-b@gw-a": "b", "ble-b@gw-b": "b", "ble-a@gw-b": "a", "ble@gw-b": "",
}

// visibleTo is the table of the documentation: a member's groups, and what they see.
var visibleTo = map[string][]string{
	"none": {"ble-free", "free"},
	"a":    {"ble-a", "ble-b-a", "ble-free", "free", "gw-a", "in-a", "in-ab"},
	"ac":   {"ble-a", "ble-b-a", "ble-free", "free", "gw-a", "in-a", "in-ab", "in-bc"},
}

func newSight(t *testing.T) *sight {
	w := serve(t)
	ctx := t.Context()
	s := &sight{world: w, owner: w.Token(), tokens: map[string]string{}}
	w.UploadVersions(100, 1, 2, 3)
	groups := map[string]string{"a": "a", "b": hiddenName, "c": "c"}
	for _, short := range []string{"a", "b", "c"} {
		cloudtest.Must[api.Group](t)(w.CreateGroup(ctx, cloudtest.Lamp, groups[short], ""))
	}
	status, body := s.as(s.owner, "PUT", "/v1/products/lamp/groups/"+hiddenName, fmt.Sprintf(`{"description":%q,"color":%q}`, hiddenNotes, hiddenColor))
	if status != http.StatusOK {
		t.Fatal(body)
	}
	for _, wired := range []bool{true, false} { // gateways first
		for key, in := range standings {
			name, gateway, behind := strings.Cut(key, "@")
			if behind == wired {
				continue
			}
			order := api.NewDevices{IDs: []string{bleID(name, gateway)}, Gateway: gateway, Groups: api.Names{}}
			for _, short := range strings.Fields(in) {
				order.Groups = append(order.Groups, groups[short])
			}
			cloudtest.Must[api.Imported](t)(w.Import(ctx, cloudtest.Lamp, order))
		}
	}
	owner := cloudtest.Must[fleet.Actor](t)(w.Cloud.Accounts().Actor(ctx, s.owner))
	s.team = owner.Team
	for held := range visibleTo {
		for _, role := range []fleet.Role{fleet.Editor, fleet.Viewer} {
			who := held + " " + role.String()
			email := held + "-" + role.String() + "@example.com"
			names := strings.Split(held, "")
			if held == "none" {
				names = nil
			}
			cloudtest.Must[fleet.Member](t)(w.Cloud.Accounts().AddUser(ctx, owner, email, cloudtest.OwnerPassword, role, names))
			secret, _, err := w.Cloud.Accounts().SignIn(ctx, fleet.SignIn{Email: email, Password: cloudtest.OwnerPassword, Address: "127.0.0.1"})
			if err != nil {
				t.Fatal(err)
			}
			s.tokens[who] = secret
		}
	}
	for _, v := range []struct {
		version uint32
		groups  api.Names
	}{{1, api.Names{"a"}}, {3, api.Names{hiddenName}}} {
		w.ReleaseVersion(v.version, func(r *api.Release) { r.Groups = api.Some(v.groups) })
	}
	for _, id := range s.all() {
		cloudtest.Must[fleet.Device](t)(w.Cloud.Store().Devices.Edit(ctx, fleet.DeviceID(id).In(1), func(d *fleet.Device) error {
			d.Running = fleet.WholeVersion(2)
			return nil
		}))
		m := fleet.Message{Team: s.team, Device: fleet.DeviceID(id).In(s.team), Topic: "d/" + id + "/up/msg", Payload: []byte(`"` + id + `"`)}
		cloudtest.Must[string](t)(w.Cloud.Store().Messages.Append(ctx, m))
		cloudtest.Must[fleet.Alert](t)(w.Cloud.Store().Messages.Raise(ctx, fleet.Alert{Team: s.team, Device: fleet.DeviceID(id).In(s.team), Name: "test"}))
	}
	cloudtest.Until(t, "the index is built", w.Cloud.Store().Index.Ready)
	return s
}

// bleID is the id of a device of standings.
func bleID(name, gateway string) string {
	switch {
	case name == "ble":
		return "ble-free"
	case name == "ble-b" && gateway == "gw-a":
		return "ble-b-a"
	}
	return name
}

func (s *sight) all() (ids []string) {
	for key := range standings {
		name, gateway, _ := strings.Cut(key, "@")
		ids = append(ids, bleID(name, gateway))
	}
	slices.Sort(ids)
	return ids
}

func (s *sight) as(token, method, path, body string) (int, string) {
	s.Helper()
	return (&stage{world: s.world}).send(method, path, body, token)
}

// read decodes a success into v.
func (s *sight) read(token, path string, v any) {
	s.Helper()
	status, body := s.asks(s, token, path)
	if status != http.StatusOK {
		s.Fatalf("%s: got %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		s.Fatal(err)
	}
}

// sorted are the ids of devices.
func sorted[T any](items []T, id func(T) string) (ids []string) {
	for _, item := range items {
		ids = append(ids, id(item))
	}
	slices.Sort(ids)
	return ids
}

// TestListsCountsAndFiltersFollowTheTable compares every number and list a restricted
// member gets with the table of who sees what.
func TestListsCountsAndFiltersFollowTheTable(t *testing.T) {
	t.Parallel()
	s := newSight(t)
	for who, token := range s.tokens {
		held, role, _ := strings.Cut(who, " ")
		want := visibleTo[held]
		var list api.DeviceList
		s.read(token, "/v1/products/lamp/devices?perPage=100", &list)
		if got := sorted(list.Devices, deviceKey); !slices.Equal(got, want) || list.Meta.Total != len(want) {
			t.Errorf("%s: lists %v, %d in all, want %v", who, got, list.Meta.Total, want)
		}
		var page api.Page[api.Device]
		s.read(token, "/v1/devices?pageLimit=100", &page)
		if got := sorted(page.Items, deviceKey); !slices.Equal(got, want) {
			t.Errorf("%s: ListDevices has %v, want %v", who, got, want)
		}
		for _, id := range s.all() {
			status := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[slices.Contains(want, id)]
			for _, path := range []string{"/v1/devices/" + id, "/v1/products/lamp/devices/" + id, "/v1/devices/" + id + "/why", "/v1/devices/" + id + "/updates", "/v1/devices/" + id + "/commands", "/v1/devices/" + id + "/events"} {
				got, body := s.as(token, "GET", path, "")
				if got != status {
					t.Errorf("%s: %s: got %d, want %d", who, path, got, status)
				}
				_, unknown := s.as(token, "GET", strings.Replace(path, id, "nobody", 1), "")
				if got == http.StatusNotFound && body != strings.ReplaceAll(unknown, "nobody", id) {
					t.Errorf("%s: a hidden device differs from none: %s and %s", who, body, unknown)
				}
			}
		}
		var groups api.GroupList
		s.read(token, "/v1/products/lamp/groups", &groups)
		members := 0
		for _, g := range groups.Groups {
			if g.Name == "a" {
				members = g.Devices
			}
		}
		names := sorted(groups.Groups, func(g api.Group) string { return g.Name })
		if strings.Join(names, "") != strings.TrimPrefix(held, "none") || held != "none" && members != 4 { // in-a in-ab gw-a ble-a
			t.Errorf("%s: groups %v, %d in a", who, names, members)
		}
		var firmware []api.Firmware
		s.read(token, "/v1/products/lamp/firmware", &firmware)
		for _, f := range firmware {
			if n, _ := f.Version.Whole(); n == 2 && f.Devices != len(want) || n == 3 && len(f.Groups) > 0 {
				t.Errorf("%s: version %d runs on %d, want %d; released to %v", who, n, f.Devices, len(want), f.Groups)
			}
		}
		for _, filter := range []string{"/v1/products/lamp/devices?groups=%s", "/v1/devices?tags=%s", "/v1/products/lamp/groups?name=%s", "/v1/products/lamp/devices?groups[]=%s&deviceName=x"} {
			_, hidden := s.asks(t, token, fmt.Sprintf(filter, hiddenName))
			if _, unknown := s.asks(t, token, fmt.Sprintf(filter, "zz-nothing")); hidden != unknown {
				t.Errorf("%s: %s tells a hidden group from none: %s and %s", who, filter, hidden, unknown)
			}
		}
		var progress api.Progress
		s.read(token, "/v1/products/lamp/firmware/3/progress", &progress)
		if aimed := map[string]int{"none": 0, "a": 2, "ac": 3}[held]; progress.Devices != aimed { // in-ab ble-b-a, in-bc
			t.Errorf("%s: version 3 is the target of %d, want %d", who, progress.Devices, aimed)
		}
		if role != "editor" || held == "none" {
			continue
		}
		var impact api.Impact
		s.read(token, "/v1/products/lamp/impact?firmware_version=3&groups="+strings.Join(strings.Split(held, ""), ","), &impact)
		if impact.Devices.Update.Total != 3 || impact.Devices.Of > len(want) { // in-a gw-a ble-a; the others have it as target
			t.Errorf("%s: the impact is on %d of %d devices, want 3 of at most %d", who, impact.Devices.Update.Total, impact.Devices.Of, len(want))
		}
	}
}

// TestNoAnswerRevealsAHiddenGroup searches the answers to every GET of the document, and to
// refused writes, by members without a group for its name, description and colour.
func TestNoAnswerRevealsAHiddenGroup(t *testing.T) {
	t.Parallel()
	s := newSight(t)
	asked := 0
	for who, token := range s.tokens {
		for _, op := range s.contract().operations() {
			if op.method != http.MethodGet || strings.Contains(op.path, "events") {
				continue
			}
			for _, id := range []string{"free", "in-ab", "in-b", "ble-b-a"} {
				for _, group := range []string{"a", "c"} {
					path := strings.NewReplacer("{product}", cloudtest.Lamp, "{device}", id, "{group}", group, "{version}", "3", "{email}", cloudtest.OwnerEmail, "{username}", cloudtest.OwnerEmail).Replace(op.path)
					if query := op.required(""); query != "" {
						path += "?" + query
					}
					_, body := s.asks(t, token, path)
					asked++
					for _, secret := range []string{hiddenName, hiddenNotes, hiddenColor} {
						if strings.Contains(body, secret) {
							t.Errorf("%s: %s tells %s: %.300s", who, path, secret, body)
						}
					}
				}
			}
		}
		for _, write := range [][3]string{
			{"GET", "/v1/products/lamp/groups/%s", ""}, {"PUT", "/v1/products/lamp/groups/%s", `{"name":"x"}`}, {"DELETE", "/v1/products/lamp/groups/%s", ""},
			{"PUT", "/v1/products/lamp/firmware/release", `{"version":1,"groups":["%s"]}`}, {"PUT", "/v1/products/lamp/firmware/release?dry_run=true", `{"version":1,"groups":["%s"]}`},
			{"GET", "/v1/products/lamp/impact?firmware_version=1&groups=%s", ""}, {"POST", "/v1/products/lamp/groups", `{"name":"%s"}`},
			{"PUT", "/v1/products/lamp/devices/free", `{"groups":["%s"]}`}, {"PUT", "/v1/products/lamp/devices", `{"action":"groups","devices":["free"],"metadata":{"add":["%s"]}}`},
			{"POST", "/v1/products/lamp/devices", `{"id":"new","groups":["%s"]}`}, {"POST", "/v1/team/users", `{"email":"n@example.com","role":"viewer","groups":["%s"]}`},
		} {
			fill := func(text, name string) string { return strings.ReplaceAll(text, "%s", name) }
			status, hidden := s.as(token, write[0], fill(write[1], hiddenName), fill(write[2], hiddenName))
			other, unknown := s.as(token, write[0], fill(write[1], "zz-nothing"), fill(write[2], "zz-nothing"))
			if status != other || strings.ReplaceAll(hidden, hiddenName, "zz-nothing") != unknown || status/100 != 4 {
				t.Errorf("%s: %v: got %d %s for a hidden group, %d %s for none", who, write, status, hidden, other, unknown)
			}
		}
	}
	t.Logf("%d answers read", asked)
}

// TestMessagesAndAlertsAreOfAllDevices: they are not filtered by group.
func TestMessagesAndAlertsAreOfAllDevices(t *testing.T) {
	t.Parallel()
	s := newSight(t)
	for who, token := range s.tokens {
		messages := sorted(nrf[api.Message](t, s.world, token, "/v1/messages?pageLimit=100").Items, func(m api.Message) string { return m.Device })
		alerts := sorted(nrf[api.Alert](t, s.world, token, "/v1/alerts?pageLimit=100").Items, func(a api.Alert) string { return a.Device })
		if !slices.Equal(messages, s.all()) || !slices.Equal(alerts, s.all()) {
			t.Errorf("%s: messages of %v, alerts of %v, want all", who, messages, alerts)
		}
		if got := nrf[api.Message](t, s.world, token, "/v1/messages?deviceId=in-b").Items; len(got) != 1 {
			t.Errorf("%s: %d messages of a hidden device, want 1", who, len(got))
		}
	}
}

// TestStreamsFollowTheTable lets members listen while devices, groups and releases
// change.
func TestStreamsFollowTheTable(t *testing.T) {
	t.Parallel()
	s := newSight(t)
	streams := map[string]func() string{}
	for who, token := range s.tokens {
		streams[who] = (&stage{world: s.world}).listen("/v1/products/lamp/events", token)
	}
	for _, id := range s.all() {
		s.EditDevice(fleet.DeviceID(id), api.DeviceUpdate{Name: api.Some("named " + id)})
	}
	s.EditDevice("in-ab", api.DeviceUpdate{Groups: api.Some(api.Names{"a"})})
	s.EditDevice("in-ab", api.DeviceUpdate{Groups: api.Some(api.Names{"a", hiddenName})})
	s.ReleaseVersion(2, func(r *api.Release) { r.Groups = api.Some(api.Names{hiddenName, "a"}) })
	s.ReleaseVersion(3, func(r *api.Release) { r.Groups = api.Some(api.Names{hiddenName}) })
	for _, body := range []string{`{"color":"#000000"}`, `{"name":"` + hiddenName + `-2"}`} {
		if status, answer := s.as(s.owner, "PUT", "/v1/products/lamp/groups/"+hiddenName, body); status != http.StatusOK {
			t.Fatal(answer)
		}
	}
	s.EditDevice("free", api.DeviceUpdate{Name: api.Some("the end")})
	for who, next := range streams {
		held, _, _ := strings.Cut(who, " ")
		var told []string
		for line := next(); !strings.Contains(line, "the end"); line = next() {
			if line == "" {
				t.Fatalf("%s: the stream ended", who)
			}
			if strings.Contains(line, "zz-") {
				t.Errorf("%s hears of a hidden group: %s", who, line)
			}
			if _, name, named := strings.Cut(line, "named "); named {
				id, _, _ := strings.Cut(name, `\`)
				told = append(told, id)
			}
		}
		if slices.Sort(told); !slices.Equal(told, visibleTo[held]) {
			t.Errorf("%s: got events of %v, want %v", who, told, visibleTo[held])
		}
	}
}
