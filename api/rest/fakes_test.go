package rest_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/api/nrf"
	"github.com/muster-iot/muster/api/particle"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
)

var moment1 = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// fakeRegistry holds one product and one device, and notes what it was asked. What it
// does not define is not to be called.
type fakeRegistry struct {
	rest.Accounts
	rest.Registry
	view     fleet.DeviceView
	query    fleet.DeviceQuery
	edit     fleet.DeviceEdit
	batch    fleet.GroupsEdit
	order    fleet.Import
	product  fleet.Product
	proof    fleet.SignIn
	payload  []byte
	messages []fleet.Message
	fails    error // what every call about devices answers
}

const testToken = "good"

func (r *fakeRegistry) Actor(_ context.Context, secret string) (fleet.Actor, error) {
	if secret != testToken {
		return fleet.Actor{}, fleet.Errorf(fleet.Unauthenticated, "the token is not valid")
	}
	return fleet.Actor{User: 1, Email: "me@example.com", Team: 1, Role: fleet.Owner}, nil
}

func (r *fakeRegistry) SignIn(_ context.Context, proof fleet.SignIn) (string, fleet.Token, error) {
	r.proof = proof
	if proof.Password != "right" {
		return "", fleet.Token{}, fleet.Errorf(fleet.Unauthenticated, "email or password is wrong")
	}
	return testToken, fleet.Token{ID: "abc", Team: 1, Created: moment1, Expires: moment1.Add(time.Hour)}, nil
}

func (r *fakeRegistry) Product(_ context.Context, _ fleet.Actor, idOrSlug string) (fleet.Product, error) {
	if idOrSlug != "42" && idOrSlug != "lamp" {
		return fleet.Product{}, fleet.Errorf(fleet.NotFound, "no such product: %s", idOrSlug)
	}
	return fleet.Product{ID: 42, Team: 1, Slug: "lamp", Name: "Lamp"}, nil
}

func (r *fakeRegistry) Products(ctx context.Context, a fleet.Actor) ([]fleet.Product, error) {
	p, err := r.Product(ctx, a, "42")
	return []fleet.Product{p}, err
}

func (r *fakeRegistry) CreateProduct(_ context.Context, _ fleet.Actor, p fleet.Product) (fleet.Product, error) {
	r.product = p
	p.ID, p.Team = 42, 1
	return p, nil
}

func (r *fakeRegistry) GroupNames(context.Context, fleet.Actor, fleet.ProductID) (map[fleet.GroupID]string, error) {
	return map[fleet.GroupID]string{1: "beta", 2: "eu"}, nil
}

func (r *fakeRegistry) Groups(context.Context, fleet.Actor, fleet.ProductID) ([]fleet.GroupView, error) {
	return []fleet.GroupView{{Group: fleet.Group{ID: 1, Name: "beta", Description: "early", Color: "#2f6fde", Product: 42}, Release: version("7"), Devices: 3}}, nil
}

func (r *fakeRegistry) Devices(_ context.Context, _ fleet.Actor, q fleet.DeviceQuery) (fleet.DeviceViews, error) {
	r.query = q
	return fleet.DeviceViews{Devices: []fleet.DeviceView{r.view}, Next: "more", Total: 51}, r.fails
}

func (r *fakeRegistry) Device(_ context.Context, _ fleet.Actor, _ fleet.ProductID, _ fleet.DeviceID) (fleet.DeviceView, error) {
	return r.view, r.fails
}

func (r *fakeRegistry) EditDevice(_ context.Context, _ fleet.Actor, _ fleet.ProductID, _ fleet.DeviceID, edit fleet.DeviceEdit) (fleet.DeviceView, error) {
	r.edit = edit
	return r.view, r.fails
}

func (r *fakeRegistry) EditGroups(_ context.Context, _ fleet.Actor, edit fleet.GroupsEdit) error {
	r.batch = edit
	return r.fails
}

func (r *fakeRegistry) Import(_ context.Context, _ fleet.Actor, order fleet.Import) (fleet.Imported, error) {
	r.order = order
	return fleet.Imported{
		Updated: []fleet.DeviceID{"a"}, Existing: []fleet.DeviceID{"b"}, Nonmember: []fleet.DeviceID{"c"}, Invalid: []string{"d e"},
		Secrets: map[fleet.DeviceID]string{"a": "s3cret"},
	}, r.fails
}

func (r *fakeRegistry) Command(_ context.Context, _ fleet.Actor, id fleet.DeviceID, name string, payload []byte, ttl time.Duration) (fleet.Command, error) {
	r.payload = payload
	return fleet.Command{Number: 9, Device: id, Name: name, Payload: payload, Queued: moment1, Expires: moment1.Add(ttl)}, r.fails
}

func (r *fakeRegistry) Messages(_ context.Context, _ fleet.Actor, _ fleet.MessageQuery) ([]fleet.Message, string, error) {
	return r.messages, "5-0", r.fails
}

// fakeOTA holds firmware 7 and notes what it was asked.
type fakeOTA struct {
	rest.OTA
	order fleet.ReleaseOrder
	query fleet.UpdateQuery
	fails error
}

func (o *fakeOTA) firmware() fleet.Released {
	return fleet.Released{
		Firmware: fleet.Firmware{
			Product: 42, Version: version("7"), Title: "Seven", Description: "better", File: "lamp.bin", Size: 3,
			Uploaded: moment1, By: "me@example.com", Released: true,
		},
		Groups: []fleet.GroupID{1, 99}, Default: true, Devices: 12,
	}
}

func (o *fakeOTA) Firmware(context.Context, fleet.Actor, fleet.ProductID) ([]fleet.Released, error) {
	return []fleet.Released{o.firmware()}, o.fails
}

func (o *fakeOTA) Image(context.Context, fleet.Actor, fleet.ProductID, fleet.Version) (io.ReadCloser, fleet.Firmware, error) {
	return io.NopCloser(strings.NewReader("abc")), o.firmware().Firmware, o.fails
}

func (o *fakeOTA) Release(_ context.Context, _ fleet.Actor, _ fleet.ProductID, order fleet.ReleaseOrder) (fleet.Released, error) {
	o.order = order
	return o.firmware(), o.fails
}

func (o *fakeOTA) Impact(_ context.Context, _ fleet.Actor, _ fleet.ProductID, order fleet.ReleaseOrder) (fleet.Impact, error) {
	o.order = order
	return fleet.Impact{
		Total: 25, Of: 40, ByVersion: []fleet.VersionCount{{Version: version("7"), Devices: 25}},
		Blocked: []fleet.ReasonCount{{Reason: "locked", Devices: 2}},
	}, o.fails
}

func (o *fakeOTA) Why(context.Context, fleet.Actor, fleet.DeviceID) (precedence.Trace, error) {
	return precedence.Trace{Target: version("7"), Reason: fleet.BecauseGroup, Steps: []precedence.Step{{Rule: precedence.RuleLock, Outcome: precedence.None}}}, o.fails
}

func (o *fakeOTA) Updates(_ context.Context, _ fleet.Actor, q fleet.UpdateQuery) ([]fleet.DeviceUpdate, string, error) {
	o.query = q
	return []fleet.DeviceUpdate{{Device: "lamp-7", Update: sampleUpdate()}}, "", o.fails
}

func sampleUpdate() fleet.Update {
	return fleet.Update{
		ID: fleet.UpdateID{1}, Product: 42, From: fleet.ReportedVersion("dev build"), To: version("7"), Digest: fleet.Digest{2}, Size: 1000,
		State: fleet.RolledBack, Reason: 9, Text: "no boot", Attempt: 2, Next: 1000, Started: moment1, Stored: moment1, Changed: moment1,
	}
}

func sampleDevice() fleet.DeviceView {
	return fleet.DeviceView{
		Device: fleet.Device{
			ID: "lamp-7", Team: 1, Product: 42, Name: "Hall", Notes: "by the door", Groups: []fleet.GroupID{1, 2},
			Lock: version("1.4.0-rc.1"), Running: version("6"), UpdatesOn: true, Hardware: "rev2", Update: sampleUpdate(),
			Address: "192.0.2.7", Created: moment1, LastHandshake: moment1, LastHeard: moment1, Revision: 17,
		},
		GroupNames: []string{"beta", "eu"}, Slug: "lamp", Online: true,
		Target: version("1.4.0-rc.1"), Reason: fleet.BecauseLock, Released: version("7"),
	}
}

func version(s string) fleet.Version {
	v, err := fleet.ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}

// serve is an API over fakes, with its client.
type serve struct {
	*client.Client
	registry *fakeRegistry
	ota      *fakeOTA
	events   *fakeEvents
	repeats  *fakeRepeats
	server   *httptest.Server
	routes   []route.Route
}

func newServe(t *testing.T) *serve {
	t.Helper()
	s := &serve{registry: &fakeRegistry{view: sampleDevice()}, ota: &fakeOTA{}, events: newFakeEvents(), repeats: newFakeRepeats()}
	config := rest.Config{Version: "1.2.3", MQTT: "mqtt.example.com:8883", MaxImage: 1000, Heartbeat: 20 * time.Millisecond}
	operations := rest.New(config, rest.Domain{Accounts: s.registry, Registry: s.registry, OTA: s.ota, Events: s.events, Repeats: s.repeats}, slog.New(slog.DiscardHandler))
	s.server = httptest.NewServer(handler(operations))
	t.Cleanup(s.server.Close)
	for _, table := range tables(operations) {
		s.routes = append(s.routes, table.Routes...)
	}
	s.routes = append(s.routes, route.Route{ID: "Reference", Method: http.MethodGet, Path: "/v1/docs", Access: route.Public}) // of package route
	s.Client = client.New(s.server.URL, testToken)
	return s
}

// handler serves all operations.
func handler(a *rest.API) http.Handler { return a.Handler(particle.Tables(a), nrf.Tables(a)) }

// tables are the routes of all operations.
func tables(a *rest.API) []route.Table {
	return slices.Concat(a.Tables(), particle.Tables(a), nrf.Tables(a))
}

// do sends a request with the good token and returns status and body.
func (s *serve) do(t *testing.T, method, path, contentType, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+testToken)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return read(t, request)
}

func read(t *testing.T, request *http.Request) (int, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(data))
}
