package particle

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

// eventTTL is a constant: Particle's clients expect a number.
const eventTTL = 60 // seconds

// allDevices stands for all devices in the path of one device's events. No device has this id.
const allDevices = "events"

func (p *adapter) events() route.Table {
	const product, productDevice = "/v1/products/{product}/events", "/v1/products/{product}/devices/{device}/events"
	const team, device = "/v1/events", "/v1/devices/{device}/events"
	return route.Table{Tag: "events", Wrap: spellOut, Routes: []route.Route{
		stream("ProductEvents", product, "Events of a product, as server-sent events", p.productEvents),
		stream("ProductEventsByPrefix", product+"/{prefix}", "The same, by the start of the name", p.productEventsByPrefix),
		stream("ProductDeviceEvents", productDevice, "Events of one device", p.productDeviceEvents),
		stream("ProductDeviceEventsByPrefix", productDevice+"/{prefix}", "The same, by the start of the name", p.productDeviceEventsByPrefix),
		stream("DevicesEvents", "/v1/devices/events", "Events of the team's devices", p.devicesEvents),
		stream("DeviceEvents", device, "Events of one device", p.deviceEvents),
		stream("DeviceEventsByPrefix", device+"/{prefix}", "The same, by the start of the name; for all devices: /v1/devices/events/{prefix}",
			p.deviceEventsByPrefix),
		route.Get("Events", team, "Answers 400: events of a team need a prefix", route.Needs(fleet.SeeDevice), needsPrefix).
			Fails(http.StatusBadRequest),
		stream("EventsByPrefix", team+"/{prefix}", "Events of the team, by the start of the name", p.eventsByPrefix),
	}}
}

func stream[I any](id, path, summary string, do route.Func[I, huma.StreamResponse]) route.Route {
	return route.Get(id, path, summary, route.Needs(fleet.SeeDevice), do).Fails(http.StatusTooManyRequests)
}

// Nonce is the query parameter of Particle's event streams that Muster ignores.
type Nonce struct {
	Nonce string `query:"nonce" doc:"Accepted for Particle's clients and ignored"`
}

// EventPrefix is the start of the names of wanted events.
type EventPrefix struct {
	Prefix string `path:"prefix" doc:"Start of the name; a / in it as %2F" example:"spark"`
}

// Resolve rejects what no name starts with; huma calls it.
func (p *EventPrefix) Resolve(huma.Context) []error {
	if fault := route.WrongText(p.Prefix); fault != "" {
		return []error{route.WrongInput(map[string]string{"prefix": fault})}
	}
	return nil
}

func (p *adapter) productEvents(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	route.Bearer
	Nonce
}) (*huma.StreamResponse, error) {
	return p.stream(ctx, who, in.Secret, wanted{product: in.Found().ID})
}

func (p *adapter) productEventsByPrefix(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	EventPrefix
	route.Bearer
	Nonce
}) (*huma.StreamResponse, error) {
	return p.stream(ctx, who, in.Secret, wanted{product: in.Found().ID, prefix: in.Prefix})
}

func (p *adapter) productDeviceEvents(ctx context.Context, who fleet.Actor, in *struct {
	rest.DevicePath
	route.Bearer
	Nonce
}) (*huma.StreamResponse, error) {
	return p.stream(ctx, who, in.Secret, wanted{product: in.Target().Product, device: in.Target().Device})
}

func (p *adapter) productDeviceEventsByPrefix(ctx context.Context, who fleet.Actor, in *struct {
	rest.DevicePath
	EventPrefix
	route.Bearer
	Nonce
}) (*huma.StreamResponse, error) {
	return p.stream(ctx, who, in.Secret, wanted{product: in.Target().Product, device: in.Target().Device, prefix: in.Prefix})
}

func (p *adapter) devicesEvents(ctx context.Context, who fleet.Actor, in *struct {
	route.Bearer
	Nonce
}) (*huma.StreamResponse, error) {
	return p.stream(ctx, who, in.Secret, wanted{devices: true})
}

// DevicesPath names a device of the team, or all of them.
type DevicesPath struct {
	rest.TeamDevicePath
}

// Find parses the device id, unless it stands for all devices.
func (in *DevicesPath) Find(ctx context.Context, a *rest.API, who fleet.Actor) error {
	if in.Device == allDevices {
		return nil
	}
	return in.TeamDevicePath.Find(ctx, a, who)
}

func (in *DevicesPath) wanted() wanted {
	return wanted{device: in.Target().Device, devices: in.Device == allDevices}
}

func (p *adapter) deviceEvents(ctx context.Context, who fleet.Actor, in *struct {
	DevicesPath
	route.Bearer
	Nonce
}) (*huma.StreamResponse, error) {
	return p.stream(ctx, who, in.Secret, in.wanted())
}

func (p *adapter) deviceEventsByPrefix(ctx context.Context, who fleet.Actor, in *struct {
	DevicesPath
	EventPrefix
	route.Bearer
	Nonce
}) (*huma.StreamResponse, error) {
	w := in.wanted()
	w.prefix = in.Prefix
	return p.stream(ctx, who, in.Secret, w)
}

func (p *adapter) eventsByPrefix(ctx context.Context, who fleet.Actor, in *struct {
	EventPrefix
	route.Bearer
	Nonce
}) (*huma.StreamResponse, error) {
	return p.stream(ctx, who, in.Secret, wanted{prefix: in.Prefix})
}

func needsPrefix(context.Context, fleet.Actor, *struct{ Nonce }) (*route.None, error) {
	return nil, &api.Problem{
		Code: "invalid_request", Status: http.StatusBadRequest,
		Description: "add the start of the events' names: GET /v1/events/spark%2F; for all events of a product use " +
			"/v1/products/{product}/events, for all devices /v1/devices/events",
	}
}

// spellOut rewrites GET /v1/devices/events/{prefix}, which Particle's clients send. The
// router can't have both it and /v1/devices/{device}/events.
func spellOut(next http.Handler) http.Handler {
	const short, long = "/v1/devices/" + allDevices + "/", "/v1/devices/" + allDevices + "/events/"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prefix, ok := strings.CutPrefix(r.URL.EscapedPath(), short)
		if ok && prefix != "" && !strings.Contains(prefix, "/") {
			r = route.Redirected(r, long+prefix)
		}
		next.ServeHTTP(w, r)
	})
}

// wanted selects events in addition to the actor's team and rights.
type wanted struct {
	product fleet.ProductID // 0: any
	device  fleet.DeviceID  // "": any, and none
	devices bool            // devices only
	prefix  string
}

// stream checks that the device exists and that there is room, and answers with a stream.
func (p *adapter) stream(ctx context.Context, who fleet.Actor, secret string, w wanted) (*huma.StreamResponse, error) {
	w.device = w.device.In(who.Team)
	if w.device != "" {
		if _, err := p.Registry.Device(ctx, who, w.product, w.device); err != nil {
			return nil, err
		}
	}
	over, end := context.WithCancel(context.WithoutCancel(ctx)) // huma may call Body after ctx has ended
	place, err := p.Quotas.Streams.Take(who.Team, who.Email, end)
	if err != nil {
		end()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer end()
		defer place.Leave()
		r, rw := humago.Unwrap(ctx)
		events, leave := p.Events.Listen(who.Team)
		defer leave()
		stream := sse.Stream{
			Listener: &listener{wanted: w}, Rights: rights{p}, Secret: secret, Events: events, Over: over.Done(),
			Greeting: ":ok\n\n", Heartbeat: p.Config.Heartbeat,
		}
		_ = stream.Run(r.Context(), sse.NewWriter(rw)) // the client reconnects, and gets the error then
	}}, nil
}

// rights implements sse.Rights.
type rights struct{ *adapter }

// Actor implements sse.Rights.
func (r rights) Actor(ctx context.Context, secret string) (fleet.Actor, error) {
	return r.Accounts.Actor(ctx, secret)
}

// Hear implements sse.Rights.
func (r rights) Hear(ctx context.Context, who fleet.Actor, e event.Event) (event.View, bool, error) {
	return r.Registry.Hear(ctx, who, e)
}

// selects reports whether the event alone matches; the product of a device is known later.
func (w wanted) selects(e event.Event) bool {
	return e.Name() == event.NameMissed ||
		strings.HasPrefix(string(e.Name()), w.prefix) &&
			(w.device == "" || e.Device == w.device) &&
			(!w.devices || e.Device != "")
}

// listener formats each event by itself, in Particle's shape.
type listener struct {
	wanted
	event event.View
}

// Select implements sse.Listener.
func (l *listener) Select(e event.Event) (event.Event, bool) { return e, l.selects(e) }

// Take implements sse.Listener.
func (l *listener) Take(v event.View) bool {
	l.event = v
	return l.product == 0 || v.Product == 0 || v.Product == l.product
}

// Flush implements sse.Listener.
func (l *listener) Flush() (string, error) {
	data, err := json.Marshal(shownEvent(l.event))
	return sse.Event(string(l.event.Name()), string(data)), err
}

func shownEvent(v event.View) api.Event {
	e := api.Event{Data: eventData(v), TTL: eventTTL, Published: v.At.UTC(), CoreID: "api", Product: uint32(v.Product)}
	if v.Device != "" {
		e.CoreID = v.Device.String()
		e.Version = &api.Reported{Version: v.Running}
	}
	return e
}
