package rest_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
)

const form = "application/x-www-form-urlencoded"

func isKind(err error, kind fleet.Kind) bool { return errors.Is(err, kind) }

func TestSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// What particle-api-js sends, an unknown client id included.
	status, body := w.do(http.MethodPost, "/oauth/token", form, "username=me%40example.com&password="+strings.ReplaceAll(password, " ", "+")+
		"&grant_type=password&client_id=particle-api&client_secret=particle-api&expires_in=3600")
	if status != 200 || !strings.Contains(body, `"token_type":"bearer","expires_in":3600`) {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := w.do(http.MethodPost, "/oauth/token", form, "username=x&password=wrong"); status != 400 || !strings.Contains(body, `"error":"invalid_grant"`) {
		t.Errorf("a wrong password: got %d %s, want 400 invalid_grant (RFC 6749 5.2)", status, body)
	}
	if status, body := w.do(http.MethodPost, "/oauth/token", form, "grant_type=client_credentials"); status != 400 || !strings.Contains(body, "unsupported_grant_type") {
		t.Errorf("another grant: got %d %s", status, body)
	}
	if _, _, err := client.SignIn(t.Context(), w.server.URL, ownerEmail, "wrong"); !isKind(err, fleet.Unauthenticated) {
		t.Errorf("the client: got %v, want Unauthenticated", err)
	}
	c, token, err := client.SignIn(t.Context(), w.server.URL, ownerEmail, password)
	if err != nil || token.ID == "" || token.Team != uint32(w.owner.Team) {
		t.Fatalf("got %+v, %v", token, err)
	}
	if _, err := c.Products(t.Context()); err != nil {
		t.Errorf("the client that signed in can't ask: %v", err)
	}
}

func TestProductBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for slug, row := range map[string]struct{ contentType, body string }{
		"bare":            {"application/json", `{"name":"Lamp","slug":"bare"}`},
		"wrapped":         {"application/json", `{"product":{"name":"Lamp","slug":"wrapped","platform_id":10,"settings":{"location":{"opt_in":false}}}}`},
		"form":            {form, "name=Lamp&slug=form"},
		"form-in-product": {form, "product[name]=Lamp&product[slug]=form-in-product"},
	} {
		t.Run(slug, func(t *testing.T) {
			status, body := w.do(http.MethodPost, "/v1/products", row.contentType, row.body)
			if status != http.StatusCreated || !strings.HasPrefix(body, `{"product":{"id":`) {
				t.Errorf("got %d %s", status, body)
			}
			if p, err := w.Product(t.Context(), slug); err != nil || p.Name != "Lamp" || p.Slug != slug {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
}

func TestWrongListQueriesNameTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := func(n int) string { return strings.Repeat("a,", n) }
	for name, path := range map[string]string{
		"page 0": "/v1/products/lamp/devices?page=0", "too many": "/v1/products/lamp/devices?per_page=101", "too far": "/v1/products/lamp/devices?page=101&per_page=100",
		"huge page": "/v1/products/lamp/devices?page=9223372036854775807", "no flag": "/v1/products/lamp/devices?online=maybe",
		"no version": "/v1/products/lamp/devices?firmwareVersion=x", "no value": "/v1/products/lamp/devices?facts.modem=",
		"no fact": "/v1/products/lamp/devices?facts=modem", "too many facts": "/v1/products/lamp/devices?facts.a=1&facts.b=1&facts.c=1&facts.d=1&facts.e=1&facts.f=1&facts.g=1&facts.h=1&facts.i=1", "no type": "/v1/devices?deviceTypes=Toaster", "no number": "/v1/devices?pageLimit=x",
		"too many ids": "/v1/devices?deviceIds=" + ids(1001), "too many by the other name": "/v1/devices?deviceIdentifiers=" + ids(1001),
		"too many by both": "/v1/devices?deviceIds=" + ids(600) + "&deviceIdentifiers=" + ids(401),
	} {
		if status, body := w.do(http.MethodGet, path, "", ""); status != 422 || !strings.Contains(body, `"fields":{`) {
			t.Errorf("%s: got %d %s, want 422 with the field", name, status, body)
		}
	}
}

func TestListsAreFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit(lamp7, func(d *fleet.Device) {
		d.Running, d.Name = version("7"), "Hall"
		d.Facts = []byte("\xa2\x65modem\xa1\x64imei\x631=2\x67battery\x18\x57") // {"modem": {"imei": "1=2"}, "battery": 87}
	})
	for path, want := range map[string][]string{
		"/v1/products/lamp/devices":                                            {"lamp-7", "lamp-8", "lamp-9"},
		"/v1/products/lamp/devices?groups[0]=beta&groups[1]=hidden":            {"lamp-7", "lamp-9"},
		"/v1/products/lamp/devices?deviceName=al&firmwareVersion=7":            {"lamp-7"},
		"/v1/products/lamp/devices?per_page=1&page=2&sortAttr=deviceId":        {"lamp-8"},
		"/v1/devices?tags=eu":                                                  {"lamp-7"},
		"/v1/products/lamp/devices?facts.battery=87&facts.modem.imei=1%3D2":    {"lamp-7"},
		"/v1/products/lamp/devices?facts=modem.imei%3D1%3D2":                   {"lamp-7"},
		"/v1/products/lamp/devices?facts.battery=87&facts.modem.imei=3":        nil,
		"/v1/devices?deviceIds=lamp-8,lamp-9&pageLimit=1":                      {"lamp-8"},
		"/v1/devices?deviceNameFuzzy=ha&deviceTypes=Generic":                   {"lamp-7"},
		"/v1/devices?deviceTypes=BLE":                                          nil,
		"/v1/devices?firmwareSupport=BOOT":                                     nil,
		"/v1/products/lamp/devices?locked=false&development=true&online=false": nil,
	} {
		var list struct {
			Devices, Items []struct {
				ID string `json:"id"`
			}
		}
		w.read(path, &list)
		var got []string
		for _, d := range slices.Concat(list.Devices, list.Items) {
			got = append(got, d.ID)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

// TestUnknownGroupSelectsNothing: a name that is not a group the actor sees is like one
// that does not exist.
func TestUnknownGroupSelectsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list, err := w.Devices(t.Context(), "lamp", api.DeviceFilter{Groups: []string{"nothing"}})
	if err != nil || len(list.Devices) != 0 || list.Meta.Total != 0 || list.Meta.TotalPages != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestDeviceUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit(lamp7, func(d *fleet.Device) { d.Lock, d.Name, d.Development = version("7"), "Hall", true })
	status, body := w.do(http.MethodPut, "/v1/products/lamp/devices/lamp-7", "application/json", `{"desired_firmware_version":null,"groups":[]}`)
	if status != 200 || !strings.Contains(body, `"updated_at":"`) {
		t.Fatalf("got %d %s", status, body)
	}
	if d := w.device(lamp7); !d.Lock.IsZero() || len(d.Groups) != 0 || d.Name != "Hall" || !d.Development {
		t.Errorf("null unlocks, [] clears, absent leaves: got %+v", d)
	}
	if status, body := w.do(http.MethodPut, "/v1/devices/lamp-7", "application/json", `{"groups":null}`); status != 422 {
		t.Errorf("groups null: got %d %s, want 422", status, body)
	}
	if err := w.EditGroups(t.Context(), "lamp", []string{"lamp-9"}, []string{"beta"}, []string{"hidden"}); err != nil {
		t.Fatal(err)
	}
	if d, err := w.Device(t.Context(), "lamp-9"); err != nil || !slices.Equal(d.Groups, []string{"beta"}) {
		t.Errorf("got %v, %v, want beta in the place of hidden", d.Groups, err)
	}
	if status, body := w.do(http.MethodPut, "/v1/products/lamp/devices", "application/json", `{"action":"explode","devices":["lamp-7"]}`); status != 422 {
		t.Errorf("unknown action: got %d %s", status, body)
	}
}

func TestReleaseOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type where struct {
		Version string
		Groups  []string
		Default bool
	}
	before := where{"7", []string{"eu"}, false}
	for name, row := range map[string]struct {
		body string
		want where
	}{
		"bare version":     {`{"version":7}`, where{"7", []string{"eu"}, true}},
		"groups":           {`{"version":"7","groups":["beta"],"intelligent":true}`, where{"7", []string{"beta"}, false}},
		"everything":       {`{"version":7,"groups":["beta"],"product_default":true}`, where{"7", []string{"beta"}, true}},
		"back from all":    {`{"version":7,"groups":[],"product_default":false}`, where{"7", []string{}, false}},
		"semantic version": {`{"version":"1.4.0-rc.1"}`, where{"1.4.0-rc.1", []string{}, true}},
	} {
		t.Run(name, func(t *testing.T) {
			none, eu, no := api.Names{}, api.Names{"eu"}, false
			must[api.Firmware](t)(w.Release(t.Context(), "lamp", api.Release{Version: shownVersion("1.4.0-rc.1"), Groups: api.Some(none), Default: &no}))
			must[api.Firmware](t)(w.Release(t.Context(), "lamp", api.Release{Version: shownVersion("7"), Groups: api.Some(eu), Default: &no}))
			for _, query := range []string{"?dry_run=true", ""} {
				status, body := w.do(http.MethodPut, "/v1/products/lamp/firmware/release"+query, "application/json", row.body)
				if status != 200 || strings.Contains(body, "firmware_update") != (query != "") {
					t.Fatalf("%s: got %d %s", query, status, body)
				}
				want := row.want
				if query != "" {
					want = where{want.Version, map[bool][]string{true: before.Groups, false: {}}[want.Version == "7"], false}
				}
				f, _, err := w.OneFirmware(t.Context(), "lamp", shownVersion(want.Version))
				if diff := cmp.Diff(want, where{f.Version.String(), f.Groups, f.Default}); diff != "" || err != nil {
					t.Errorf("%s: %s %v", query, diff, err)
				}
			}
		})
	}
	for name, body := range map[string]string{"no version": `{"groups":[]}`, "unknown group": `{"version":7,"groups":["nope"]}`, "null groups": `{"version":7,"groups":null}`} {
		if status, answer := w.do(http.MethodPut, "/v1/products/lamp/firmware/release", "application/json", body); status != 422 {
			t.Errorf("%s: got %d %s, want 422", name, status, answer)
		}
	}
}

// TestImpactQuery: Particle's query leaves groups out to mean none, and the default to mean
// that it stays.
func TestImpactQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit(lamp7, func(d *fleet.Device) { d.Running = version("7") })
	for query, want := range map[string]int{
		"firmware_version=1.4.0-rc.1":                                             0,
		"firmware_version=1.4.0-rc.1&groups=beta":                                 1,
		"firmware_version=1.4.0-rc.1&groups[]=beta&groups[]=hidden":               2,
		"firmware_version=1.4.0-rc.1&product_default=true":                        3,
		"firmware_version=1.4.0-rc.1&product_default=false":                       0,
		"action=edit_groups_for_firmware&firmware_version=7&product_default=true": 2, // lamp-7 runs it
	} {
		var impact api.Impact
		w.read("/v1/products/lamp/impact?"+query, &impact)
		if got := impact.Devices.Update.Total; got != want {
			t.Errorf("%s: got an impact on %d devices, want %d", query, got, want)
		}
	}
}

func TestCommandPayloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, row := range map[string]struct{ contentType, body, want string }{
		"JSON":         {"application/json", `{"message":{"on":true}}`, `{"on":true}`},
		"text":         {"application/json", `{"message":"hello"}`, `"hello"`},
		"bytes":        {"application/json", `{"message":{"base64":"/wA="}}`, "\xff\x00"},
		"form of JSON": {form, `message=%7B%22on%22%3Atrue%7D`, `{"on":true}`},
		"form of text": {form, `message=hello+you`, `"hello you"`},
	} {
		if status, body := w.do(http.MethodPost, "/v1/devices/lamp-7/commands", row.contentType, row.body); status != http.StatusAccepted {
			t.Errorf("%s: got %d %s", name, status, body)
		}
		queued := must[[]fleet.Command](t)(w.domain.Registry.Commands(t.Context(), w.owner, lamp7))
		newest := slices.MaxFunc(queued, func(a, b fleet.Command) int { return int(a.Number) - int(b.Number) })
		if string(newest.Payload) != row.want {
			t.Errorf("%s: got %q, want %q", name, newest.Payload, row.want)
		}
	}
}

func TestAnEditSaysWhatItHasSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	send := func(path, match, body string) *http.Response {
		r := w.request(http.MethodPut, path, "application/json", body)
		r.Header.Set("If-Match", match)
		answer := must[*http.Response](t)(http.DefaultClient.Do(r))
		_ = answer.Body.Close()
		return answer
	}
	for name, spell := range map[string]func(tag string) string{
		"as it came": func(tag string) string { return `"` + tag + `"` }, "weak": func(tag string) string { return `W/"` + tag + `"` },
		"any": func(string) string { return "*" }, "none": func(string) string { return "" },
	} {
		_, tag, err := w.DeviceTag(t.Context(), "lamp-7")
		if err != nil {
			t.Fatal(err)
		}
		answer := send("/v1/devices/lamp-7", spell(strings.Trim(tag, `"`)), `{"name":"`+name+`"}`)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("ETag") == "" || answer.Header.Get("ETag") == tag {
			t.Errorf("%s: got %d, ETag %s, want 200 and another tag than %s", name, answer.StatusCode, answer.Header.Get("ETag"), tag)
		}
		if answer := send("/v1/devices/lamp-7", tag, `{"name":"late"}`); answer.StatusCode != http.StatusPreconditionFailed {
			t.Errorf("%s: someone came first: got %d, want 412", name, answer.StatusCode)
		}
		var detail *fleet.Error
		_, err = w.If(tag).UpdateDevice(t.Context(), "lamp", "lamp-7", api.DeviceUpdate{Name: api.Some("late")})
		if !errors.As(err, &detail) || detail.Code != fleet.CodeChanged || !isKind(err, fleet.Conflict) {
			t.Errorf("%s: the client: got %#v", name, err)
		}
	}
	_, tag, err := w.OneFirmware(t.Context(), "lamp", shownVersion("7"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{http.StatusOK, http.StatusPreconditionFailed} {
		if answer := send("/v1/products/lamp/firmware/release", tag, `{"version":7}`); answer.StatusCode != want {
			t.Errorf("a release: got %d, want %d", answer.StatusCode, want)
		}
	}
}

// TestAnImportThatAnswersLineByLineIsNotRepeated: the lines go out as they come, and a
// repeat with the same key learns that they did.
func TestAnImportThatAnswersLineByLineIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	send := func() (int, string) {
		r := w.request(http.MethodPost, "/v1/products/lamp/devices", "application/json", `{"ids":["a","b"]}`)
		r.Header.Set("Accept", "application/x-ndjson")
		r.Header.Set("Idempotency-Key", "k")
		return w.send(r)
	}
	if status, body := send(); status != http.StatusOK || strings.Count(body, "\n") != 2 || !strings.Contains(body, `{"done":2,"total":2}`) {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := send(); status != http.StatusConflict || !strings.Contains(body, "was carried out") {
		t.Errorf("again: got %d %s, want 409", status, body)
	}
}

// TestThePageLoadsNothing reads the readable page as a browser without a network would.
func TestThePageLoadsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, body := w.do(http.MethodGet, "/v1/docs", "", "")
	if status != http.StatusOK {
		t.Fatalf("got %d %s", status, body)
	}
	body = strings.ReplaceAll(body, "https://example.com/", "") // the text of an example
	for _, foreign := range []string{"http://", "https://", "<script", "@import", "src="} {
		if strings.Contains(body, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
	for _, r := range w.routes() {
		if !strings.Contains(body, `id="`+r.ID+`"`) {
			t.Errorf("the page does not have %s", r.ID)
		}
	}
}

// TestTheAccountNamesTheServersEndpoint is nRF Cloud's FetchAccountInfo.
func TestTheAccountNamesTheServersEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.Account(t.Context())
	if err != nil || a.MQTTEndpoint != "mqtt.example.com:8883" || a.Role != "owner" || a.Email != ownerEmail || a.Tags == nil {
		t.Errorf("got %+v, %v", a, err)
	}
}

// TestAnIdempotencyKeyHidesWhatWasAsked looks for what went in and out in what the store keeps.
func TestAnIdempotencyKeyHidesWhatWasAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept := &recorder{Repeats: w.store.Repeats}
	w.operations.Repeats = kept
	w.server.Config.Handler = w.handler()
	r := w.request(http.MethodPost, "/v1/products/lamp/devices", "application/json", `{"id":"a","groups":["confidential"]}`)
	r.Header.Set("Idempotency-Key", "my key")
	status, body := w.send(r)
	_, secret, shown := strings.Cut(body, `"secrets":{"a":"`)
	if status != http.StatusOK || !shown {
		t.Fatalf("got %d %s", status, body)
	}
	secret, _, _ = strings.Cut(secret, `"`)
	if len(kept.records) < 2 {
		t.Fatalf("kept %d records, want the one that takes the key and the answer", len(kept.records))
	}
	for _, text := range []string{secret, base64Of(secret), "confidential", "my key", w.token} {
		if strings.Contains(strings.Join(kept.records, " "), text) {
			t.Errorf("%q is in %s", text, kept.records)
		}
	}
}

// patience bounds what a test waits for.
const patience = time.Minute
