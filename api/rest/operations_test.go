package rest_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

const form = "application/x-www-form-urlencoded"

func TestSignIn(t *testing.T) {
	s := newServe(t)
	// What particle-api-js sends, an unknown client id included.
	status, body := s.do(t, http.MethodPost, "/oauth/token", form, "username=me%40example.com&password=right&grant_type=password&client_id=particle-api&client_secret=particle-api&expires_in=3600")
	if status != 200 || !strings.Contains(body, `"access_token":"good","token_type":"bearer","expires_in":3600`) {
		t.Errorf("got %d %s", status, body)
	}
	if p := s.registry.proof; p.Email != "me@example.com" || p.Lifetime != time.Hour || p.Address != "127.0.0.1" || p.Team != 0 {
		t.Errorf("got proof %+v", p)
	}
	if status, body := s.do(t, http.MethodPost, "/oauth/token", form, "username=x&password=wrong"); status != 400 || !strings.Contains(body, `"error":"invalid_grant"`) {
		t.Errorf("a wrong password: got %d %s, want 400 invalid_grant (RFC 6749 5.2)", status, body)
	}
	if status, body := s.do(t, http.MethodPost, "/oauth/token", form, "grant_type=client_credentials"); status != 400 || !strings.Contains(body, "unsupported_grant_type") {
		t.Errorf("another grant: got %d %s", status, body)
	}
}

func TestProductBodies(t *testing.T) {
	for name, row := range map[string]struct{ contentType, body string }{
		"bare":            {"application/json", `{"name":"Lamp","slug":"lamp"}`},
		"wrapped":         {"application/json", `{"product":{"name":"Lamp","slug":"lamp","platform_id":10,"settings":{"location":{"opt_in":false}}}}`},
		"form":            {form, "name=Lamp&slug=lamp"},
		"form in product": {form, "product[name]=Lamp&product[slug]=lamp"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServe(t)
			status, body := s.do(t, http.MethodPost, "/v1/products", row.contentType, row.body)
			if status != http.StatusCreated || !strings.HasPrefix(body, `{"product":{"id":42,`) {
				t.Errorf("got %d %s", status, body)
			}
			if p := s.registry.product; p.Name != "Lamp" || p.Slug != "lamp" {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestListQueries(t *testing.T) {
	yes, no := true, false
	for name, row := range map[string]struct {
		path string
		want fleet.DeviceQuery
	}{
		"defaults are Particle's": {"/v1/products/42/devices", fleet.DeviceQuery{Product: 42, Sort: fleet.ByLastHandshake, Descending: true, Limit: 25}},
		"per_page":                {"/v1/products/42/devices?page=3&per_page=50", fleet.DeviceQuery{Product: 42, Sort: fleet.ByLastHandshake, Descending: true, Skip: 100, Limit: 50}},
		"perPage":                 {"/v1/products/42/devices?perPage=10", fleet.DeviceQuery{Product: 42, Sort: fleet.ByLastHandshake, Descending: true, Limit: 10}},
		"filters": {
			"/v1/products/lamp/devices?deviceId=p-&deviceName=hall&firmwareVersion=7&online=true&development=false&locked=true&sortAttr=deviceName&sortDir=desc&groups[0]=beta",
			fleet.DeviceQuery{Product: 42, IDPart: "p-", NamePart: "hall", Version: version("7"), Online: &yes, Development: &no, Locked: &yes, Sort: fleet.ByName, Descending: true, Limit: 25, Groups: []fleet.GroupID{1}},
		},
		"nRF": {
			"/v1/devices?pageLimit=7&pageNextToken=abc&tags=eu&deviceIds=a,b&deviceNameFuzzy=ha&deviceTypes=BLE,Gateway&gatewayId=g",
			fleet.DeviceQuery{Groups: []fleet.GroupID{2}, IDs: []fleet.DeviceID{"a", "b"}, NamePrefix: "ha", Kinds: []fleet.DeviceKind{fleet.BLE, fleet.Gateway}, Gateway: "g", Limit: 7, After: "abc"},
		},
		"as many ids as are taken, by both names": {"/v1/devices?deviceIds=" + idList(600) + "&deviceIdentifiers=" + idList(400), fleet.DeviceQuery{IDs: slices.Repeat([]fleet.DeviceID{"a"}, 1000), Limit: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServe(t)
			if status, body := s.do(t, http.MethodGet, row.path, "", ""); status != 200 {
				t.Fatalf("got %d %s", status, body)
			}
			if diff := cmp.Diff(row.want, s.registry.query, cmp.Comparer(func(a, b fleet.Version) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, path := range map[string]string{
		"page 0": "/v1/products/42/devices?page=0", "too many": "/v1/products/42/devices?per_page=101", "too far": "/v1/products/42/devices?page=101&per_page=100",
		"huge page": "/v1/products/42/devices?page=9223372036854775807", "no flag": "/v1/products/42/devices?online=maybe",
		"no version": "/v1/products/42/devices?firmwareVersion=x", "no type": "/v1/devices?deviceTypes=Toaster", "no number": "/v1/devices?pageLimit=x",
		"too many ids": "/v1/devices?deviceIds=" + idList(1001), "too many by the other name": "/v1/devices?deviceIdentifiers=" + idList(1001),
		"too many by both": "/v1/devices?deviceIds=" + idList(600) + "&deviceIdentifiers=" + idList(401),
	} {
		s := newServe(t)
		if status, body := s.do(t, http.MethodGet, path, "", ""); status != 422 || !strings.Contains(body, `"fields":{`) {
			t.Errorf("%s: got %d %s, want 422 with the field", name, status, body)
		}
	}
}

func idList(n int) string { return strings.Repeat("a,", n) }

func TestImportBodies(t *testing.T) {
	upload := func(fields map[string]string, file string) (string, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		part, err := w.CreateFormFile("file", "file")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, file)
		for name, value := range fields {
			_ = w.WriteField(name, value)
		}
		_ = w.Close()
		return w.FormDataContentType(), b.String()
	}
	fileType, file := upload(map[string]string{"groups": "beta,eu"}, "\ufeffa\r\nb\r\n\r\n")
	for name, row := range map[string]struct {
		contentType, body string
		want              fleet.Import
	}{
		"one":     {"application/json", `{"id":"a","claim_user":"x","import_sims":false}`, fleet.Import{Product: 42, IDs: []string{"a"}}},
		"several": {"application/json", `{"ids":["a","b"],"groups":["beta"]}`, fleet.Import{Product: 42, IDs: []string{"a", "b"}, Groups: []string{"beta"}}},
		"BLE":     {"application/json", `{"ids":["a"],"gateway":"g"}`, fleet.Import{Product: 42, IDs: []string{"a"}, Gateway: "g"}},
		"form":    {form, "ids[]=a&ids[]=b", fleet.Import{Product: 42, IDs: []string{"a", "b"}}},
		"file":    {fileType, file, fleet.Import{Product: 42, IDs: []string{"a", "b"}, Groups: []string{"beta", "eu"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServe(t)
			if status, body := s.do(t, http.MethodPost, "/v1/products/42/devices", row.contentType, row.body); status != 200 {
				t.Fatalf("got %d %s", status, body)
			}
			if diff := cmp.Diff(row.want, s.registry.order); diff != "" {
				t.Error(diff)
			}
		})
	}
	s := newServe(t)
	if status, body := s.do(t, http.MethodPost, "/v1/products/42/devices", "application/json", `{}`); status != 422 {
		t.Errorf("no ids: got %d %s", status, body)
	}
}

func TestDeviceUpdates(t *testing.T) {
	s := newServe(t)
	if status, body := s.do(t, http.MethodPut, "/v1/products/42/devices/lamp-7", "application/json", `{"desired_firmware_version":null,"groups":[]}`); status != 200 || !strings.Contains(body, `"updated_at":"`) {
		t.Fatalf("got %d %s", status, body)
	}
	e := s.registry.edit
	if e.Lock == nil || !e.Lock.IsZero() || e.Groups == nil || len(*e.Groups) != 0 || e.Name != nil || e.Development != nil {
		t.Errorf("null unlocks, [] clears, absent leaves: got %+v", e)
	}
	if status, body := s.do(t, http.MethodPut, "/v1/devices/lamp-7", "application/json", `{"groups":null}`); status != 422 {
		t.Errorf("groups null: got %d %s, want 422", status, body)
	}
	if status, body := s.do(t, http.MethodPut, "/v1/products/42/devices", "application/json", `{"action":"explode","devices":["a"]}`); status != 422 {
		t.Errorf("unknown action: got %d %s", status, body)
	}
}

func TestReleaseOrders(t *testing.T) {
	yes, no := true, false
	one, none := []fleet.GroupID{1}, []fleet.GroupID{}
	for name, row := range map[string]struct {
		body string
		want fleet.ReleaseOrder
	}{
		"bare version":     {`{"version":7}`, fleet.ReleaseOrder{Version: version("7")}},
		"groups":           {`{"version":"7","groups":["beta"],"intelligent":true}`, fleet.ReleaseOrder{Version: version("7"), Groups: &one, Now: true}},
		"everything":       {`{"version":7,"groups":["beta"],"product_default":true}`, fleet.ReleaseOrder{Version: version("7"), Groups: &one, Default: &yes}},
		"back from all":    {`{"version":7,"groups":[],"product_default":false}`, fleet.ReleaseOrder{Version: version("7"), Groups: &none, Default: &no}},
		"semantic version": {`{"version":"1.4.0-rc.1"}`, fleet.ReleaseOrder{Version: version("1.4.0-rc.1")}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, query := range []string{"", "?dry_run=true"} {
				s := newServe(t)
				status, body := s.do(t, http.MethodPut, "/v1/products/42/firmware/release"+query, "application/json", row.body)
				if status != 200 || strings.Contains(body, "firmware_update") != (query != "") {
					t.Fatalf("%s: got %d %s", query, status, body)
				}
				if diff := cmp.Diff(row.want, s.ota.order, cmp.Comparer(func(a, b fleet.Version) bool { return a == b })); diff != "" {
					t.Errorf("%s: %s", query, diff)
				}
			}
		})
	}
	s := newServe(t)
	for name, body := range map[string]string{"no version": `{"groups":[]}`, "unknown group": `{"version":7,"groups":["nope"]}`, "null groups": `{"version":7,"groups":null}`} {
		if status, answer := s.do(t, http.MethodPut, "/v1/products/42/firmware/release", "application/json", body); status != 422 {
			t.Errorf("%s: got %d %s, want 422", name, status, answer)
		}
	}
}

// TestImpactQuery: Particle's query leaves groups out to mean none.
func TestImpactQuery(t *testing.T) {
	s := newServe(t)
	if status, body := s.do(t, http.MethodGet, "/v1/products/42/impact?action=edit_groups_for_firmware&firmware_version=7&product_default=false", "", ""); status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	if o := s.ota.order; o.Groups == nil || len(*o.Groups) != 0 || o.Default == nil || *o.Default {
		t.Errorf("got %+v", o)
	}
}

func TestCommandPayloads(t *testing.T) {
	s := newServe(t)
	for name, row := range map[string]struct{ contentType, body, want string }{
		"JSON":         {"application/json", `{"message":{"on":true}}`, `{"on":true}`},
		"text":         {"application/json", `{"message":"hello"}`, `"hello"`},
		"bytes":        {"application/json", `{"message":{"base64":"/wA="}}`, "\xff\x00"},
		"form of JSON": {form, `message=%7B%22on%22%3Atrue%7D`, `{"on":true}`},
		"form of text": {form, `message=hello+you`, `"hello you"`},
	} {
		if status, body := s.do(t, http.MethodPost, "/v1/devices/lamp-7/commands", row.contentType, row.body); status != http.StatusAccepted {
			t.Errorf("%s: got %d %s", name, status, body)
		}
		if string(s.registry.payload) != row.want {
			t.Errorf("%s: got %q, want %q", name, s.registry.payload, row.want)
		}
	}
}
