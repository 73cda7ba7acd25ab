package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/fleet"
)

// Limits of event streams.
const (
	maxStreams  = 1000            // at the same time
	heartbeat   = 9 * time.Second // particle-api-js gives up after 15 s without a byte
	writeWithin = 20 * time.Second
	eventTTL    = 60 // seconds; Particle's clients expect a number
)

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

// streams counts those under way; guards maxStreams.
type streams struct{ open atomic.Int32 }

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

// stream checks that there is something to listen to, and room, and answers with a stream.
func (s *server) stream(ctx context.Context, who fleet.Actor, secret string, w wanted) (*huma.StreamResponse, error) {
	if w.device != "" {
		if _, err := s.Device(ctx, who, w.product, w.device); err != nil {
			return nil, err
		}
	}
	if s.streams.open.Add(1) > maxStreams {
		s.streams.open.Add(-1)
		return nil, fleet.Errorf(fleet.Busy, "too many event streams are open: close some")
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer s.streams.open.Add(-1)
		r, rw := humago.Unwrap(ctx)
		out := newSSE(rw)
		heard, leave := s.events.Listen(who.Team)
		defer leave()
		s.tell(r.Context(), out, secret, w, heard)
	}}, nil
}

// tell writes events until the listener goes, loses their token, or the server ends.
// Rights are read anew for each event, and once in each heartbeat.
func (s *server) tell(ctx context.Context, out *sse, secret string, w wanted, heard <-chan fleet.Event) {
	if out.write(":ok\n\n") != nil {
		return
	}
	beat := time.NewTicker(s.config.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			if _, err = s.Actor(ctx, secret); err == nil {
				err = out.write(":\n\n")
			}
		case e, ok := <-heard:
			if !ok {
				return
			}
			if w.selects(e) {
				err = s.tellOne(ctx, out, secret, w, e)
			}
		}
		if err != nil {
			return // a listener comes back and asks anew
		}
	}
}

// selects judges by what takes no reading; the product of a device is known later.
func (w wanted) selects(e fleet.Event) bool {
	return e.Name == fleet.EventMissed ||
		strings.HasPrefix(e.Name, w.prefix) &&
			(w.device == "" || e.Device == w.device) &&
			(!w.devices || e.Device != "")
}

func (s *server) tellOne(ctx context.Context, out *sse, secret string, w wanted, e fleet.Event) error {
	who, err := s.Actor(ctx, secret)
	if err != nil {
		return err
	}
	v, hears, err := s.Hear(ctx, who, e)
	if err != nil || !hears || w.product != 0 && v.Product != 0 && v.Product != w.product {
		return err
	}
	return out.event(v)
}

// sse writes server-sent events.
type sse struct {
	writer  http.ResponseWriter
	control *http.ResponseController
}

func newSSE(w http.ResponseWriter) *sse {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	return &sse{writer: w, control: http.NewResponseController(w)}
}

// write sends text at once. A listener that takes nothing for a while is given up.
func (o *sse) write(text string) error {
	_ = o.control.SetWriteDeadline(time.Now().Add(writeWithin)) // a writer that can't is a test's
	if _, err := o.writer.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}

func (o *sse) event(v fleet.EventView) error {
	data, err := json.Marshal(shownEvent(v))
	if err != nil {
		return err
	}
	return o.write(fmt.Sprintf("event: %s\ndata: %s\n\n", v.Name, data))
}

func shownEvent(v fleet.EventView) Event {
	e := Event{Data: eventData(v), TTL: eventTTL, Published: v.At.UTC(), CoreID: "api", Product: uint32(v.Product)}
	if v.Device != "" {
		e.CoreID = string(v.Device)
		e.Version = &Reported{v.Running}
	}
	return e
}

// eventData is a lone text as it is, anything else as JSON.
func eventData(v fleet.EventView) string {
	if text, ok := v.Data["text"].(string); ok && len(v.Data) == 1 {
		return text
	}
	data := maps.Clone(v.Data)
	if data == nil {
		data = map[string]any{}
	}
	if v.GroupNames != nil {
		data["groups"] = v.GroupNames
	}
	text, err := json.Marshal(data)
	if err != nil {
		return ""
	}
	return string(text)
}
