package cloud_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// asks sends a GET with a token.
func (w *world) asks(t testing.TB, token, path string) (status int, body string) {
	t.Helper()
	request := cloudtest.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL("")+path, nil))
	request.Header.Set("Authorization", "Bearer "+token)
	answer := cloudtest.Must[*http.Response](t)(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	return answer.StatusCode, string(cloudtest.Must[[]byte](t)(io.ReadAll(answer.Body)))
}

// nrf asks as nRF Cloud's clients do and decodes a page; a refusal fails the test.
func nrf[T any](t testing.TB, w *world, token, path string) (page api.Page[T]) {
	t.Helper()
	status, body := w.asks(t, token, path)
	if status != 200 {
		t.Fatalf("%s: got %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	if page.Total != len(page.Items) {
		t.Errorf("%s: total %d, and %d items: total is of the page", path, page.Total, len(page.Items))
	}
	return page
}

// nrfAll follows pageNextToken to the end and returns what keys are listed, in order.
func nrfAll[T any](t testing.TB, w *world, token, path string, key func(T) string, each func()) (keys []string) {
	t.Helper()
	next := ""
	for {
		p := nrf[T](t, w, token, path+next)
		for _, item := range p.Items {
			keys = append(keys, key(item))
		}
		if p.Next == "" {
			return keys
		}
		next = "&pageNextToken=" + url.QueryEscape(p.Next)
		each()
	}
}

func deviceKey(d api.Device) string   { return d.ID }
func messageKey(m api.Message) string { return string(m.Message) }

// nrfFleet is a server with lamps in groups, a gateway and BLE devices.
func nrfFleet(t *testing.T) (w *world, token string) {
	w = serve(t)
	for _, list := range []api.NewDevices{
		{IDs: []string{"lamp-1", "lamp-2"}, Groups: api.Names{"beta"}},
		{IDs: []string{"lamp-3"}, Groups: api.Names{"beta", "eu"}},
		{IDs: []string{"lamp-4", "hub"}},
		{IDs: []string{"tag-1", "tag-2"}, Gateway: "hub", Groups: api.Names{"eu"}},
	} {
		cloudtest.Must[api.Imported](t)(w.Import(t.Context(), cloudtest.Lamp, list))
	}
	for id, name := range map[fleet.DeviceID]string{"lamp-1": "Kitchen", "lamp-2": "Kitchen door", "lamp-3": "Old kitchen"} {
		w.EditDevice(id, api.DeviceUpdate{Name: api.Some(name)})
	}
	return w, w.Token()
}

// TestListDevicesSelectsAsNRFClouds tries each parameter that nRF Cloud's ListDevices has.
func TestListDevicesSelectsAsNRFClouds(t *testing.T) {
	t.Parallel()
	w, token := nrfFleet(t)
	everything := "hub lamp-1 lamp-2 lamp-3 lamp-4 tag-1 tag-2"
	for query, want := range map[string]string{
		"":                                      everything,
		"includeState=true":                     everything,
		"includeStateMeta=true":                 everything,
		"transform=id":                          everything,
		"pageLimit=100":                         everything,
		"tags=beta":                             "lamp-1 lamp-2 lamp-3",
		"tags=beta,eu":                          "lamp-1 lamp-2 lamp-3 tag-1 tag-2",
		"tags=beta&tags=eu":                     "lamp-1 lamp-2 lamp-3 tag-1 tag-2",
		"groups=eu":                             "lamp-3 tag-1 tag-2",
		"tags=none":                             "",
		"deviceIds=lamp-1,tag-2,nobody":         "lamp-1 tag-2",
		"deviceIds=lamp-1&deviceIds=lamp-4":     "lamp-1 lamp-4",
		"deviceIds=nobody":                      "",
		"deviceIdentifiers=lamp-2":              "lamp-2",
		"deviceNameFuzzy=kitchen":               "lamp-1 lamp-2",
		"deviceNameFuzzy=KITCHEN%20d":           "lamp-2",
		"deviceTypes=BLE":                       "tag-1 tag-2",
		"deviceTypes=Gateway":                   "hub",
		"deviceTypes=Gateway,BLE":               "hub tag-1 tag-2",
		"deviceTypes=Generic":                   "lamp-1 lamp-2 lamp-3 lamp-4",
		"gatewayId=hub":                         "tag-1 tag-2",
		"gatewayId=lamp-1":                      "",
		"firmwareSupport=APP":                   everything,
		"firmwareSupport=MODEM":                 "",
		"firmwareSupport=MODEM,APP":             everything,
		"firmwareSupportExclude=APP":            "",
		"firmwareSupportExclude=MODEM":          everything,
		"bleFirmwareSupport=true":               everything,
		"subTypes=tracker":                      "",
		"tags=eu&deviceTypes=BLE&gatewayId=hub": "tag-1 tag-2",
		"tags=beta&deviceNameFuzzy=old":         "lamp-3",
	} {
		for _, limit := range []string{"", "pageLimit=2&"} {
			if limit != "" && strings.Contains(query, "pageLimit") {
				continue
			}
			got := nrfAll(t, w, token, "/v1/devices?"+limit+query, deviceKey, func() {})
			if joined := strings.Join(got, " "); joined != want {
				t.Errorf("%s%s: got %s, want %s", limit, query, joined, want)
			}
		}
	}
}

// TestListsOfNRFCloudRefuseUnknownParameters names the parameter that is wrong.
func TestListsOfNRFCloudRefuseUnknownParameters(t *testing.T) {
	t.Parallel()
	w, token := nrfFleet(t)
	devices := nrf[api.Device](t, w, token, "/v1/devices?pageLimit=1").Next
	for path, field := range map[string]string{
		"/v1/devices?pageLimit=0":                       "pageLimit",
		"/v1/devices?pageLimit=101":                     "pageLimit",
		"/v1/devices?pageLimit=ten":                     "pageLimit",
		"/v1/devices?pageLimit=5&pageLimit=6":           "pageLimit",
		"/v1/devices?pageNextToken=zzz":                 "pageNextToken",
		"/v1/devices?deviceTypes=Toaster":               "deviceTypes",
		"/v1/devices?deviceNameFuzzy=%ff":               "deviceNameFuzzy",
		"/v1/devices?deviceName=x":                      "deviceName",
		"/v1/devices?pageSort=asc":                      "pageSort",
		"/v1/messages?pageSort=upwards":                 "pageSort",
		"/v1/messages?pageLimit=101":                    "pageLimit",
		"/v1/messages?pageNextToken=zzz":                "pageNextToken",
		"/v1/messages?pageNextToken=" + devices:         "pageNextToken",
		"/v1/messages?inclusiveStart=yesterday":         "inclusiveStart",
		"/v1/messages?exclusiveEnd=2026-02-31T00:00:00": "exclusiveEnd",
		"/v1/messages?start=1":                          "start",
		"/v1/messages?end=x":                            "end",
		"/v1/messages?topics=a":                         "topics",
	} {
		status, body := w.asks(t, token, path)
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != 422 || p.Fields[field] == "" {
			t.Errorf("%s: got %d %s, want 422 that names %s", path, status, body, field)
		}
	}
}

// TestFetchDeviceHasTheShapeOfNRFClouds reads the members that nRF Cloud's clients read.
func TestFetchDeviceHasTheShapeOfNRFClouds(t *testing.T) {
	t.Parallel()
	w, token := nrfFleet(t)
	tenant := w.Record("hub").Team.String()
	for path, want := range map[string]string{
		"/v1/devices/lamp-3":              `{"firmware":{"supports":["APP"]},"id":"lamp-3","name":"Old kitchen","subType":"","tags":["beta","eu"],"tenantId":"` + tenant + `","type":"Generic"}`,
		"/v1/devices/lamp-3?transform=id": `{"firmware":{"supports":["APP"]},"id":"lamp-3","name":"Old kitchen","subType":"","tags":["beta","eu"],"tenantId":"` + tenant + `","type":"Generic"}`,
		"/v1/devices/hub":                 `{"firmware":{"supports":["APP"]},"id":"hub","name":"","subType":"","tags":[],"tenantId":"` + tenant + `","type":"Gateway"}`,
		"/v1/devices/tag-1":               `{"firmware":{"supports":["APP"]},"gatewayId":"hub","id":"tag-1","name":"","subType":"","tags":["eu"],"tenantId":"` + tenant + `","type":"BLE"}`,
	} {
		status, body := w.asks(t, token, path)
		var device map[string]any
		if err := json.Unmarshal([]byte(body), &device); err != nil || status != 200 {
			t.Fatalf("%s: got %d %s", path, status, body)
		}
		meta, _ := device["$meta"].(map[string]any)
		firmware, _ := device["firmware"].(map[string]any)
		if app, _ := firmware["app"].(map[string]any); app["name"] != cloudtest.Lamp || app["version"] == nil {
			t.Errorf("%s: firmware.app is %v", path, app)
		}
		if created, err := time.Parse(time.RFC3339, fmt.Sprint(meta["createdAt"])); err != nil || created.IsZero() || fmt.Sprint(meta["version"]) == "" {
			t.Errorf("%s: $meta is %v", path, meta)
		}
		delete(firmware, "app")
		maps.DeleteFunc(device, func(key string, _ any) bool {
			return !slices.Contains([]string{"id", "name", "tags", "tenantId", "type", "subType", "gatewayId", "firmware"}, key)
		})
		if got := string(cloudtest.Must[[]byte](t)(json.Marshal(device))); got != want {
			t.Errorf("%s: got  %s\nwant %s", path, got, want)
		}
	}
	if status, body := w.asks(t, token, "/v1/devices/nobody"); status != 404 || !strings.Contains(body, `"not_found"`) {
		t.Errorf("an unknown device: got %d %s", status, body)
	}
}

// TestPagesOfDevicesNeitherLoseNorRepeatWhileSomeAreAdded adds devices between the pages,
// before and after the place that was reached.
func TestPagesOfDevicesNeitherLoseNorRepeatWhileSomeAreAdded(t *testing.T) {
	t.Parallel()
	w := serve(t)
	token := w.Token()
	var there []string
	for i := range 60 {
		there = append(there, fmt.Sprintf("d-%03d-m", i))
	}
	cloudtest.Must[api.Imported](t)(w.Import(t.Context(), cloudtest.Lamp, api.NewDevices{IDs: there}))
	added := 0
	got := nrfAll(t, w, token, "/v1/devices?pageLimit=7", deviceKey, func() {
		ids := []string{fmt.Sprintf("a-%03d", added), fmt.Sprintf("d-%03d-n", added*9), fmt.Sprintf("z-%03d", added)}
		cloudtest.Must[api.Imported](t)(w.Import(t.Context(), cloudtest.Lamp, api.NewDevices{IDs: ids}))
		added++
	})
	if added < 8 || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("after %d additions: got %v, want each once, in order", added, got)
	}
	for _, id := range there {
		if !slices.Contains(got, id) {
			t.Errorf("%s was there all the time and is not listed", id)
		}
	}
}

// TestListMessagesSelectsAsNRFClouds tries each parameter that nRF Cloud's ListMessages
// has, on messages that devices sent.
func TestListMessagesSelectsAsNRFClouds(t *testing.T) {
	t.Parallel()
	w := serve(t)
	token := w.Token()
	credentials := w.Enroll("a", "b")
	quiet := func(h cloudtest.Message) { t.Errorf("got %s", h.Topic) }
	devices := []*cloudtest.Device{w.Dial(credentials[0]), w.Dial(credentials[1])}
	for i, m := range []struct {
		device        int
		name, payload string
	}{{0, "", `{"appId":"TEMP","n":0}`}, {0, "log", `1`}, {1, "", `{"appId":"TEMP","n":2}`}, {1, "log", `{"appId":"HUMID"}`}, {0, "", `4`}} {
		d := devices[m.device]
		topic := wire.Topic{Speaker: d.ID, Kind: wire.TopicMessage, Name: m.name}.String()
		d.WaitAck(cloudtest.Must[uint16](t)(d.Publish(topic, 1, []byte(m.payload))), quiet)
		cloudtest.Until(t, "it is another millisecond", func() bool { return w.messages(token) == i+1 && w.later(token) })
	}
	all := nrf[api.Message](t, w, token, "/v1/messages?pageSort=asc").Items
	if len(all) != 5 || all[0].Topic != "d/a/up/msg" || all[0].Device != "a" || all[0].Tenant != w.Record("a").Team.String() {
		t.Fatalf("got %+v", all)
	}
	at := func(i int) string { return url.QueryEscape(all[i].Received.Format(time.RFC3339Nano)) }
	for query, want := range map[string][]int{
		"":                                     {4, 3, 2, 1, 0},
		"pageSort=desc":                        {4, 3, 2, 1, 0},
		"pageSort=asc":                         {0, 1, 2, 3, 4},
		"deviceId=a":                           {4, 1, 0},
		"deviceId=nobody":                      nil,
		"topic=d/b/up/msg":                     {2},
		"topic=d/a/up/msg/log":                 {1},
		"topic=d/a/up/msg&deviceId=b":          nil,
		"topic=d/a/up/msg&deviceId=a":          {4, 0},
		"appId=TEMP":                           {2, 0},
		"appId=TEMP&deviceId=b":                {2},
		"appId=PRESS":                          nil,
		"inclusiveStart=" + at(2):              {4, 3, 2},
		"start=" + at(2):                       {4, 3, 2},
		"exclusiveEnd=" + at(2):                {1, 0},
		"end=" + at(2):                         {1, 0},
		"start=" + at(1) + "&end=" + at(3):     {2, 1},
		"start=" + at(3) + "&end=" + at(1):     nil,
		"pageSort=asc&start=" + at(3):          {3, 4},
		"deviceId=a&exclusiveEnd=" + at(4):     {1, 0},
		"inclusiveStart=2001-01-01T00:00:00Z":  {4, 3, 2, 1, 0},
		"exclusiveEnd=2001-01-01T00:00:00Z":    nil,
		"start=2001-01-01T00:00:00%2B02:00":    {4, 3, 2, 1, 0},
		"pageSort=asc&deviceId=b&appId=HUMID":  {3},
		"pageLimit=100&pageSort=asc&topic=a/b": nil,
	} {
		var texts []string
		for _, i := range want {
			texts = append(texts, messageKey(all[i]))
		}
		for _, limit := range []string{"", "pageLimit=1&"} {
			if limit != "" && strings.Contains(query, "pageLimit") {
				continue
			}
			got := nrfAll(t, w, token, "/v1/messages?"+limit+query, messageKey, func() {})
			if !slices.Equal(got, texts) {
				t.Errorf("%s%s: got %v, want %v", limit, query, got, texts)
			}
		}
	}
}

// messages is how many there are.
func (w *world) messages(token string) int {
	w.Helper()
	return len(nrf[api.Message](w, w, token, "/v1/messages?pageLimit=100").Items)
}

// later reports whether the newest message is of an earlier millisecond than this one.
func (w *world) later(token string) bool {
	w.Helper()
	newest := nrf[api.Message](w, w, token, "/v1/messages?pageLimit=1").Items[0]
	return time.Now().Truncate(time.Millisecond).After(newest.Received)
}

// TestPagesOfMessagesNeitherLoseNorRepeatWhileSomeArrive lists in both directions, as
// messages keep arriving.
func TestPagesOfMessagesNeitherLoseNorRepeatWhileSomeArrive(t *testing.T) {
	t.Parallel()
	w := serve(t)
	token := w.Token()
	w.Enroll("a")
	team := w.Record("a").Team
	send := func(text string) {
		t.Helper()
		m := fleet.Message{Team: team, Device: "1/a", Topic: "d/a/up/msg", Payload: []byte(text)}
		cloudtest.Must[string](t)(w.Cloud.Store().Messages.Append(t.Context(), m))
	}
	var there []string
	for i := range 50 {
		there = append(there, fmt.Sprint(i))
		send(there[i])
	}
	next := 1000 // each text is sent once: those of the first order are there in the second
	for _, order := range []string{"asc", "desc"} {
		var sending sync.WaitGroup
		stop := make(chan struct{})
		sending.Go(func() {
			for ; ; next++ {
				select {
				case <-stop:
					return
				default:
					send(fmt.Sprint(next))
				}
			}
		})
		pages := 1
		got := nrfAll(t, w, token, "/v1/messages?pageLimit=3&exclusiveEnd="+url.QueryEscape(time.Now().Format(time.RFC3339Nano))+"&pageSort="+order, messageKey, func() { pages++ })
		close(stop)
		sending.Wait()
		want := slices.Clone(there)
		if order == "desc" {
			slices.Reverse(want)
		}
		var old []string // of those that arrived meanwhile, any may be there
		seen := map[string]bool{}
		for _, text := range got {
			if seen[text] {
				t.Errorf("%s: %s is listed twice", order, text)
			}
			seen[text] = true
			if slices.Contains(there, text) {
				old = append(old, text)
			}
		}
		if pages < len(there)/3 || !slices.Equal(old, want) {
			t.Errorf("%s, %d pages: got %v, want %v", order, pages, old, want)
		}
	}
}
