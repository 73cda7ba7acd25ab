package nrf

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

func TestListQueries(t *testing.T) {
	ids := func(n int) string { return strings.Repeat("a,", n) }
	for name, row := range map[string]struct {
		query string
		tags  api.Names
		want  fleet.DeviceQuery
	}{
		"everything": {
			"?pageLimit=7&pageNextToken=abc&tags=eu&deviceIds=a,b&deviceNameFuzzy=ha&deviceTypes=BLE,Gateway&gatewayId=g", api.Names{"eu"},
			fleet.DeviceQuery{
				IDs: []fleet.DeviceID{"a", "b"}, NamePrefix: "ha", Kinds: []fleet.DeviceKind{fleet.BLE, fleet.Gateway}, Gateway: "g", Limit: 7, After: "abc",
			},
		},
		"as many ids as are taken, by both names": {
			"?deviceIds=" + ids(600) + "&deviceIdentifiers=" + ids(400), api.Names{},
			fleet.DeviceQuery{IDs: slices.Repeat([]fleet.DeviceID{"a"}, 1000), Limit: 10},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got fleet.DeviceQuery
			var tags api.Names
			status, body := ask(t, row.query, func(_ context.Context, _ fleet.Actor, in *struct {
				DeviceQuery
				ListParams
				route.Cursors
			}) (_ *route.None, err error) {
				got, err = in.query()
				got.Limit, got.After, tags = in.PageLimit, in.PageNextToken, in.Names
				return nil, err
			})
			if status != http.StatusNoContent {
				t.Fatalf("got %d %s", status, body)
			}
			if diff := cmp.Diff(row.want, got, cmp.Comparer(func(a, b fleet.Version) bool { return a == b })) + cmp.Diff(row.tags, tags); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMessagesHaveNRFCloudsShape holds the JSON that nRF Cloud's clients rely on.
func TestMessagesHaveNRFCloudsShape(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	_, body := ask(t, "", func(context.Context, fleet.Actor, *struct{}) (*route.Reply[api.Page[api.Message]], error) {
		return route.Answer(shownMessages([]fleet.Message{
			{Team: 1, Device: "lamp-7", Topic: "d/lamp-7/up/msg/t", Payload: []byte(`{"t":21.5}`), Received: at},
			{Team: 1, Device: "lamp-7", Topic: "d/lamp-7/up/msg/raw", Payload: []byte{0xff, 0}, Received: at},
		}, "5-0"), nil)
	})
	want, err := os.ReadFile("testdata/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, []byte(body), "", "  "); err != nil || got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s\n%v", got.String(), want, err)
	}
}

// ask serves one operation and returns its answer to a request.
func ask[I, O any](t *testing.T, query string, do route.Func[I, O]) (int, string) {
	t.Helper()
	handler := route.Serve(route.Config{Log: slog.New(slog.DiscardHandler)}, route.Table{Routes: []route.Route{
		route.Get("X", "/x", "x", route.Public, do),
	}})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x"+query, nil))
	return answer.Code, answer.Body.String()
}
