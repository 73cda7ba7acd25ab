package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

// ask serves one operation and returns its answer to a request.
func ask[I, O any](t *testing.T, method, query, contentType, body string, do route.Func[I, O]) (int, string) {
	t.Helper()
	make := map[string]func(id, path, summary string, access route.Access, do route.Func[I, O]) route.Route{
		http.MethodGet: route.Get[I, O], http.MethodPost: route.Post[I, O],
	}[method]
	handler := route.Serve(route.Config{Log: slog.New(slog.DiscardHandler)}, route.Table{Routes: []route.Route{
		make("X", "/x", "x", route.Public, do),
	}})
	request := httptest.NewRequestWithContext(t.Context(), method, "/x"+query, strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer.Code, answer.Body.String()
}

var sameVersions = cmp.Comparer(func(a, b fleet.Version) bool { return a == b })

func TestListQueries(t *testing.T) {
	yes, no := true, false
	for name, row := range map[string]struct {
		query  string
		groups api.Names
		want   fleet.DeviceQuery
	}{
		"defaults are Particle's": {"", api.Names{}, fleet.DeviceQuery{Sort: fleet.ByLastHandshake, Descending: true, Limit: 25}},
		"per_page":                {"?page=3&per_page=50", api.Names{}, fleet.DeviceQuery{Sort: fleet.ByLastHandshake, Descending: true, Skip: 100, Limit: 50}},
		"perPage":                 {"?perPage=10", api.Names{}, fleet.DeviceQuery{Sort: fleet.ByLastHandshake, Descending: true, Limit: 10}},
		"filters": {
			"?deviceId=p-&deviceName=hall&firmwareVersion=7&online=true&development=false&locked=true&sortAttr=deviceName&sortDir=desc&groups[0]=beta",
			api.Names{"beta"},
			fleet.DeviceQuery{
				IDPart: "p-", NamePart: "hall", Version: fleet.WholeVersion(7), Online: &yes, Development: &no, Locked: &yes,
				Sort: fleet.ByName, Descending: true, Limit: 25,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got fleet.DeviceQuery
			var groups api.Names
			status, body := ask(t, http.MethodGet, row.query, "", "", func(_ context.Context, _ fleet.Actor, in *struct {
				DeviceQuery
				ParticleList
				route.Pages
			}) (_ *route.None, err error) {
				if got, err = in.Query(); err != nil {
					return nil, err
				}
				groups = in.Names
				got.Skip, got.Limit, err = in.Window()
				return nil, err
			})
			if status != http.StatusNoContent {
				t.Fatalf("got %d %s", status, body)
			}
			if diff := cmp.Diff(row.want, got, sameVersions) + cmp.Diff(row.groups, groups); diff != "" {
				t.Error(diff)
			}
		})
	}
}

var rewrite = flag.Bool("rewrite", false, "write the shapes in testdata again")

// TestShapes holds the JSON that other clouds' clients rely on: a change of one of these
// files is a change of the API.
func TestShapes(t *testing.T) {
	view := sampleDevice()
	views := fleet.DeviceViews{Devices: []fleet.DeviceView{view}, Next: "more", Total: 51}
	names := map[fleet.GroupID]string{1: "beta", 2: "eu"}
	seven := fleet.FirmwareView{
		Firmware: fleet.Firmware{
			Product: 42, Version: fleet.WholeVersion(7), Title: "Seven", Description: "better", Notes: "Hold the button.", File: "lamp.bin", Size: 3,
			Uploaded: sampleTime, By: "me@example.com", WasReleased: true,
			Metadata: fleet.Metadata{
				Format: fleet.FormatESPIDF, Version: "7", Project: "lamp", Hardware: "ESP32-C3", MinRevision: "0.3", Counter: 3, Signed: true,
				Built: "Nov 28 2026 10:11:12", SDK: "ESP-IDF v5.3.1",
			},
			Hardware: []string{"rev-b"}, Requires: fleet.Range{From: fleet.WholeVersion(6)}, Floor: 3,
		},
		Groups: []fleet.GroupID{1, 99}, Default: true, Devices: 12,
	}
	for name, shape := range map[string]any{
		"device":          ShownDevice(&view),
		"product_devices": deviceList(views, 1, 50),
		"list_devices":    api.PageOf(ShownDevices(views), views.Next),
		"import": ShownImport(fleet.Imported{
			Updated: []fleet.DeviceID{"a"}, Existing: []fleet.DeviceID{"b"}, Nonmember: []fleet.DeviceID{"c"}, Invalid: []string{"d e"},
			Secrets: map[fleet.DeviceID]string{"a": "s3cret"},
		}),
		"product": api.OneProduct{Product: shownProduct(fleet.Product{ID: 42, Team: 1, Slug: "lamp", Name: "Lamp"}, names)},
		"groups": api.GroupList{Groups: []api.Group{shownGroup(fleet.GroupView{
			Group:   fleet.Group{ID: 1, Name: "beta", Description: "early", Color: "#2f6fde", Product: 42},
			Release: fleet.WholeVersion(7), Devices: 3,
		})}},
		"firmware": []api.Firmware{shownFirmware(seven, names)},
		"impact": ShownImpact(fleet.Impact{
			Total: 25, Of: 40, ByVersion: []fleet.VersionCount{{Version: fleet.WholeVersion(7), Devices: 25}},
			Moves: []fleet.MoveCount{{From: fleet.WholeVersion(8), To: fleet.WholeVersion(7), Devices: 24}, {To: fleet.WholeVersion(7), Devices: 1}}, Online: 3, Ends: 2,
			Blocked: []fleet.ReasonCount{{Reason: "locked", Devices: 2}},
		}),
		"why": shownTrace(precedence.Trace{
			Target: fleet.WholeVersion(7), Reason: fleet.BecauseGroup,
			Steps: []precedence.Step{{Rule: precedence.RuleLock, Outcome: precedence.None}},
		}),
		"updates": api.PageOf([]api.Update{shownUpdate(fleet.DeviceUpdate{Device: "lamp-7", Update: sampleUpdate()})}, ""),
		"command": shownCommand(fleet.Command{
			Number: 9, Device: "lamp-7", Name: "blink", Payload: []byte(`{"n":3}`), Queued: sampleTime, Expires: sampleTime.Add(time.Minute),
		}),
	} {
		t.Run(name, func(t *testing.T) {
			_, body := ask(t, http.MethodGet, "", "", "", func(context.Context, fleet.Actor, *struct{}) (*route.Reply[any], error) {
				return route.Answer(shape, nil)
			})
			golden(t, name, body)
		})
	}
	t.Run("problem", func(t *testing.T) {
		_, body := ask(t, http.MethodPost, "", "application/json", `{"labl":"x"}`,
			func(context.Context, fleet.Actor, *struct{ route.Input[api.DeviceUpdate] }) (*route.None, error) {
				return nil, nil
			})
		golden(t, "problem", body)
	})
	t.Run("version", func(t *testing.T) {
		_, body := ask(t, http.MethodGet, "", "", "", (&API{Config: Config{Version: "1.2.3"}}).getVersion)
		golden(t, "version", body)
	})
}

func golden(t *testing.T, name, body string) {
	t.Helper()
	var shown bytes.Buffer
	if err := json.Indent(&shown, []byte(strings.TrimSpace(body)), "", "  "); err != nil {
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

var sampleTime = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func sampleUpdate() fleet.Update {
	return fleet.Update{
		ID: fleet.UpdateID{1}, Product: 42, From: fleet.ReportedVersion("dev build"), To: fleet.WholeVersion(7), Digest: fleet.Digest{2}, Size: 1000,
		State: fleet.RolledBack, Reason: 9, Text: "no boot", Attempt: 2, Next: 1000, Started: sampleTime, Stored: sampleTime, Changed: sampleTime,
	}
}

func sampleDevice() fleet.DeviceView {
	candidate, err := fleet.ParseVersion("1.4.0-rc.1")
	if err != nil {
		panic(err)
	}
	return fleet.DeviceView{
		Tag: "5d41402a",
		Device: fleet.Device{
			ID: "lamp-7", Team: 1, Product: 42, Name: "Hall", Notes: "by the door", Groups: []fleet.GroupID{1, 2},
			Lock: candidate, Running: fleet.WholeVersion(6), UpdatesOn: true, Hardware: "rev2", Update: sampleUpdate(),
			Address: "192.0.2.7", Created: sampleTime, LastHandshake: sampleTime, LastHeard: sampleTime, Revision: 17,
		},
		GroupNames: []string{"beta", "eu"}, Slug: "lamp", Online: true,
		Target: candidate, Reason: fleet.BecauseLock, Released: fleet.WholeVersion(7),
	}
}

func TestProductBodiesAreBareOrWrapped(t *testing.T) {
	var product ProductBody
	if err := route.DecodeForm(parseQuery(t, "product[name]=Lamp&product[platform_id]=10"), &product); err != nil {
		t.Fatal(err)
	}
	if f, err := product.fields(); err != nil || deref(f.Name) != "Lamp" {
		t.Errorf("got %q, %v, want Lamp", deref(f.Name), err)
	}
	product.Slug = new(string)
	if _, err := product.fields(); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a slug beside product: got %v, want that it is refused", err)
	}
}

func parseQuery(t *testing.T, text string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
