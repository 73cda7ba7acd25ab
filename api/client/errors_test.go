package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// TestKindsReachTheClient sends each kind of error through HTTP and back.
func TestKindsReachTheClient(t *testing.T) {
	var sent error
	fail := func(context.Context, fleet.Actor, *struct {
		Device string `path:"device"`
	}) (*route.Reply[api.Device], error) {
		return nil, sent
	}
	server := httptest.NewServer(route.Serve(route.Config{Log: slog.New(slog.DiscardHandler)}, route.Table{Routes: []route.Route{
		route.Get("Fail", "/v1/devices/{device}", "Fail", route.Public, fail),
	}}))
	defer server.Close()
	c := client.New(server.URL, "")
	for _, row := range api.Statuses {
		sent = fleet.Errorf(row.Kind, "the text of %s", string(row.Kind))
		_, err := c.Device(t.Context(), "lamp-7")
		if !errors.Is(err, row.Kind) || err.Error() != sent.Error() {
			t.Errorf("%s: got %v", row.Kind, err)
		}
	}
	sent = &fleet.Error{Kind: fleet.Denied, Code: "group_restricted", Text: "ask an admin"}
	_, err := c.Device(t.Context(), "lamp-7")
	var detail *fleet.Error
	if !errors.As(err, &detail) || detail.Code != "group_restricted" || !errors.Is(err, fleet.Denied) {
		t.Errorf("a code of its own: got %#v", err)
	}
	sent = json.Unmarshal([]byte("{"), new(int))
	if _, err := c.Device(t.Context(), "lamp-7"); err == nil || strings.Contains(err.Error(), "JSON") {
		t.Errorf("an error without a kind must not show its text: got %v", err)
	}
	gone := client.New("http://127.0.0.1:1", "")
	if _, err := gone.Server(t.Context()); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("no server: got %v, want Unavailable", err)
	}
}
