package rest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

var rewrite = flag.Bool("rewrite", false, "write the shapes in testdata anew")

// TestShapes holds the JSON that other clouds' clients rely on: a change of one of these
// files is a change of the API.
func TestShapes(t *testing.T) {
	s := newServe(t)
	s.registry.messages = []fleet.Message{
		{Team: 1, Device: "lamp-7", Topic: "d/lamp-7/up/msg/t", Payload: []byte(`{"t":21.5}`), Received: moment1},
		{Team: 1, Device: "lamp-7", Topic: "d/lamp-7/up/msg/raw", Payload: []byte{0xff, 0}, Received: moment1},
	}
	for name, call := range map[string]struct{ method, path, body string }{
		"device":          {"GET", "/v1/devices/lamp-7", ""},
		"product_devices": {"GET", "/v1/products/lamp/devices?per_page=50", ""},
		"list_devices":    {"GET", "/v1/devices?pageLimit=50", ""},
		"import":          {"POST", "/v1/products/lamp/devices", `{"ids":["a","b","c","d e"]}`},
		"product":         {"GET", "/v1/products/42", ""},
		"groups":          {"GET", "/v1/products/42/groups", ""},
		"firmware":        {"GET", "/v1/products/42/firmware", ""},
		"impact":          {"GET", "/v1/products/42/impact?firmware_version=7&groups=beta", ""},
		"why":             {"GET", "/v1/devices/lamp-7/why", ""},
		"updates":         {"GET", "/v1/devices/lamp-7/updates", ""},
		"messages":        {"GET", "/v1/messages", ""},
		"command":         {"POST", "/v1/devices/lamp-7/commands", `{"name":"blink","message":{"n":3},"expires_in":60}`},
		"problem":         {"PUT", "/v1/devices/lamp-7", `{"labl":"x"}`},
		"version":         {"GET", "/v1/version", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, body := s.do(t, call.method, call.path, "application/json", call.body)
			golden(t, name, body)
		})
	}
}

func golden(t *testing.T, name, body string) {
	t.Helper()
	var shown bytes.Buffer
	if err := json.Indent(&shown, []byte(body), "", "  "); err != nil {
		t.Fatalf("answer is not JSON: %q", body)
	}
	shown.WriteByte('\n')
	file := filepath.Join("testdata", name+".json")
	if *rewrite {
		if err := os.WriteFile(file, shown.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(shown.Bytes(), want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, shown.Bytes(), want)
	}
}
