package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

// eventTTL is a constant: Particle's clients expect a number.
const eventTTL = 60 // seconds

// Event is what a stream tells in the data of one event, in Particle's shape.
type Event struct {
	Data      string    `json:"data" doc:"A word, or JSON"`
	TTL       int       `json:"ttl"`
	Published time.Time `json:"published_at"`
	CoreID    string    `json:"coreid" doc:"Device id, or api"`
	Product   uint32    `json:"productID,omitempty"`
	Version   *Reported `json:"version,omitempty" doc:"What the device runs"`
	Public    bool      `json:"public"`
}

// EventPrefix is how the names of wanted events begin.
type EventPrefix struct {
	Prefix string `path:"prefix" doc:"How the name begins; a / in it as %2F" example:"spark"`
}

// Resolve refuses what no name begins with; huma calls it.
func (p *EventPrefix) Resolve(huma.Context) []error {
	if fault := wrongText(p.Prefix); fault != "" {
		return []error{wrongInput(map[string]string{"prefix": fault})}
	}
	return nil
}

// wanted selects events beside the actor's team and rights.
type wanted struct {
	product fleet.ProductID // 0: of any
	device  fleet.DeviceID  // "": of any, and of none
	devices bool            // of devices only
	prefix  string
}

func (s *server) eventStreams() {
	const tag = "events"
	stream := func(id, path, summary string) route {
		return route{id: id, method: http.MethodGet, path: path, summary: summary, tag: tag, access: needs(fleet.SeeDevice), errors: []int{http.StatusTooManyRequests}}
	}
	ofProduct := func(ctx context.Context, who fleet.Actor, product string, secret string, w wanted) (*huma.StreamResponse, error) {
		p, err := s.Product(ctx, who, product)
		if err != nil {
			return nil, err
		}
		w.product = p.ID
		return s.stream(ctx, who, secret, w)
	}
	ofDevice := func(ctx context.Context, who fleet.Actor, device DevicePath, secret string, w wanted) (*huma.StreamResponse, error) {
		var err error
		if w.product, w.device, err = s.deviceOf(ctx, who, device); err != nil {
			return nil, err
		}
		return s.stream(ctx, who, secret, w)
	}
	ofTeamDevice := func(ctx context.Context, who fleet.Actor, device TeamDevicePath, secret, prefix string) (*huma.StreamResponse, error) {
		if device.Device == allDevices {
			return s.stream(ctx, who, secret, wanted{devices: true, prefix: prefix})
		}
		id, err := device.id()
		if err != nil {
			return nil, err
		}
		return s.stream(ctx, who, secret, wanted{device: id, prefix: prefix})
	}
	add(s, stream("ProductEvents", "/v1/products/{product}/events", "What happens in a product, as server-sent events"),
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			Bearer
			ParticleStream
		}) (*huma.StreamResponse, error) {
			return ofProduct(ctx, who, in.Product, in.secret, wanted{})
		})
	add(s, stream("ProductEventsByPrefix", "/v1/products/{product}/events/{prefix}", "The same, by the beginning of the name"),
		func(ctx context.Context, who fleet.Actor, in *struct {
			ProductPath
			EventPrefix
			Bearer
			ParticleStream
		}) (*huma.StreamResponse, error) {
			return ofProduct(ctx, who, in.Product, in.secret, wanted{prefix: in.Prefix})
		})
	add(s, stream("ProductDeviceEvents", "/v1/products/{product}/devices/{device}/events", "What happens to one device"),
		func(ctx context.Context, who fleet.Actor, in *struct {
			DevicePath
			Bearer
			ParticleStream
		}) (*huma.StreamResponse, error) {
			return ofDevice(ctx, who, in.DevicePath, in.secret, wanted{})
		})
	add(s, stream("ProductDeviceEventsByPrefix", "/v1/products/{product}/devices/{device}/events/{prefix}", "The same, by the beginning of the name"),
		func(ctx context.Context, who fleet.Actor, in *struct {
			DevicePath
			EventPrefix
			Bearer
			ParticleStream
		}) (*huma.StreamResponse, error) {
			return ofDevice(ctx, who, in.DevicePath, in.secret, wanted{prefix: in.Prefix})
		})
	add(s, stream("DevicesEvents", "/v1/devices/events", "What happens to the team's devices"),
		func(ctx context.Context, who fleet.Actor, in *struct {
			Bearer
			ParticleStream
		}) (*huma.StreamResponse, error) {
			return s.stream(ctx, who, in.secret, wanted{devices: true})
		})
	add(s, stream("DeviceEvents", "/v1/devices/{device}/events", "What happens to one device"),
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			Bearer
			ParticleStream
		}) (*huma.StreamResponse, error) {
			return ofTeamDevice(ctx, who, in.TeamDevicePath, in.secret, "")
		})
	add(s, stream("DeviceEventsByPrefix", "/v1/devices/{device}/events/{prefix}", "The same, by the beginning of the name; of all devices: /v1/devices/events/{prefix}"),
		func(ctx context.Context, who fleet.Actor, in *struct {
			TeamDevicePath
			EventPrefix
			Bearer
			ParticleStream
		}) (*huma.StreamResponse, error) {
			return ofTeamDevice(ctx, who, in.TeamDevicePath, in.secret, in.Prefix)
		})
	add(s, route{id: "Events", method: http.MethodGet, path: "/v1/events", summary: "Answers 400: events of a team are asked for by prefix", tag: tag, access: needs(fleet.SeeDevice), errors: []int{http.StatusBadRequest}},
		func(context.Context, fleet.Actor, *struct{ ParticleStream }) (*none, error) {
			return nil, &Problem{Code: "invalid_request", Description: "say how the names of the events begin: GET /v1/events/spark%2F; for all of a product use /v1/products/{product}/events, for all devices /v1/devices/events", status: http.StatusBadRequest}
		})
	add(s, stream("EventsByPrefix", "/v1/events/{prefix}", "What happens in the team, by the beginning of the name"),
		func(ctx context.Context, who fleet.Actor, in *struct {
			EventPrefix
			Bearer
			ParticleStream
		}) (*huma.StreamResponse, error) {
			return s.stream(ctx, who, in.secret, wanted{prefix: in.Prefix})
		})
}

// allDevices stands for all devices in the path of one's events. No device has this id.
const allDevices = "events"

// stream checks that the device exists and that there is room, and answers with a stream.
func (s *server) stream(ctx context.Context, who fleet.Actor, secret string, w wanted) (*huma.StreamResponse, error) {
	if w.device != "" {
		if _, err := s.Device(ctx, who, w.product, w.device); err != nil {
			return nil, err
		}
	}
	_, end, err := s.streams.Begin(secret)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer end()
		r, rw := humago.Unwrap(ctx)
		events, leave := s.events.Listen(who.Team)
		defer leave()
		stream := sse.Stream{
			Listener: &listener{wanted: w}, Rights: s, Secret: secret, Events: events, Greeting: ":ok\n\n", Heartbeat: s.config.Heartbeat,
		}
		_ = stream.Run(r.Context(), sse.NewWriter(rw)) // the client reconnects, and gets the error then
	}}, nil
}

// selects judges by the event alone; the product of a device is known later.
func (w wanted) selects(e fleet.Event) bool {
	return e.Name() == fleet.EventMissed ||
		strings.HasPrefix(string(e.Name()), w.prefix) &&
			(w.device == "" || e.Device == w.device) &&
			(!w.devices || e.Device != "")
}

// listener formats each event by itself, in Particle's shape.
type listener struct {
	wanted
	event fleet.EventView
}

// Select implements sse.Listener.
func (l *listener) Select(e fleet.Event) (fleet.Event, bool) { return e, l.selects(e) }

// Take implements sse.Listener.
func (l *listener) Take(v fleet.EventView) bool {
	l.event = v
	return l.product == 0 || v.Product == 0 || v.Product == l.product
}

// Flush implements sse.Listener.
func (l *listener) Flush() (string, error) {
	data, err := json.Marshal(shownEvent(l.event))
	return sse.Event(string(l.event.Name()), string(data)), err
}

func shownEvent(v fleet.EventView) Event {
	e := Event{Data: eventData(v), TTL: eventTTL, Published: v.At.UTC(), CoreID: "api", Product: uint32(v.Product)}
	if v.Device != "" {
		e.CoreID = string(v.Device)
		e.Version = &Reported{v.Running}
	}
	return e
}
