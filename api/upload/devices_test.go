package upload

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// ask serves one operation and returns its answer to a body.
func ask[I, O any](t *testing.T, contentType, body string, do route.Func[I, O]) (int, string) {
	t.Helper()
	handler := route.Serve(route.Config{Log: slog.New(slog.DiscardHandler)}, route.Table{Routes: []route.Route{
		route.Post("X", "/x", "x", route.Public, do),
	}})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer.Code, answer.Body.String()
}

func TestImportBodies(t *testing.T) {
	fileType, file := multipartBody(t, part{"file", "file", "\ufeffa\r\nb\r\n\r\n"}, part{name: "groups", value: "beta,eu"})
	tableType, table := multipartBody(t, part{"file", "file", "device id;name;group\r\na;Hall;beta\r\n"})
	for name, row := range map[string]struct {
		contentType, body string
		want              fleet.Import
	}{
		"one":     {"application/json", `{"id":"a","claim_user":"x","import_sims":false}`, fleet.Import{Devices: fleet.NewDevices("a")}},
		"several": {"application/json", `{"ids":["a","b"],"groups":["beta"]}`, fleet.Import{Devices: fleet.NewDevices("a", "b"), Groups: []string{"beta"}}},
		"BLE":     {"application/json", `{"ids":["a"],"gateway":"g"}`, fleet.Import{Devices: fleet.NewDevices("a"), Gateway: "g"}},
		"form":    {"application/x-www-form-urlencoded", "ids[]=a&ids[]=b", fleet.Import{Devices: fleet.NewDevices("a", "b")}},
		"file":    {fileType, string(file), fleet.Import{Devices: fleet.NewDevices("a", "b"), Groups: []string{"beta", "eu"}}},
		"table":   {tableType, string(table), fleet.Import{Devices: []fleet.NewDevice{{ID: "a", Name: "Hall", Groups: []string{"beta"}}}}},
		"what is known": {"application/json", `{"devices":[{"id":"a","name":"Hall","notes":"n","groups":["beta"],"product":"lock","secret":"0123456789abcdef"},
			{"id":"b","secret_sha256":"9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"}]}`, fleet.Import{Devices: []fleet.NewDevice{
			{ID: "a", Name: "Hall", Notes: "n", Groups: []string{"beta"}, Product: "lock", Secret: sha256.Sum256([]byte("0123456789abcdef"))},
			{ID: "b", Secret: sha256.Sum256([]byte("0123456789abcdef"))},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got fleet.Import
			status, body := ask(t, row.contentType, row.body,
				func(_ context.Context, _ fleet.Actor, in *struct{ DevicesBody }) (*route.None, error) {
					devices, err := in.devices()
					got = fleet.Import{Devices: devices, Groups: in.in.Groups, Gateway: fleet.DeviceID(in.in.Gateway)}
					return nil, err
				})
			if status != http.StatusNoContent {
				t.Fatalf("got %d %s", status, body)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALongLineInAnImportIsNamed(t *testing.T) {
	for name, end := range map[string]string{"LF": "\n", "CR LF": "\r\n", "CR": "\r"} {
		t.Run(name, func(t *testing.T) {
			body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" +
				"a" + end + "b" + end + strings.Repeat("x", 64<<10+1) + "\r\n--x--\r\n"
			status, answer := ask(t, "multipart/form-data; boundary=x", body,
				func(context.Context, fleet.Actor, *struct{ DevicesBody }) (*route.None, error) { return nil, nil })
			if status != http.StatusUnprocessableEntity || !strings.Contains(answer, "line 3 is longer than 65536 bytes") {
				t.Errorf("got %d %s, want 422 that names line 3 and the limit", status, answer)
			}
		})
	}
}
