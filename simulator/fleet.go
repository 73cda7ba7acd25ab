package simulator

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/ble"
	"github.com/muster-iot/muster/simulator/mqttlite"
	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// ClientKind is which MQTT client the devices use.
type ClientKind uint8

// The clients. Auto is Paho for up to maxPaho devices and Light above.
const (
	Auto ClientKind = iota
	Paho
	Light
)

const maxPaho = 100 // devices; Paho runs ten goroutines each

// UnmarshalText reads auto, paho or light. Errors are fleet.Invalid.
func (k *ClientKind) UnmarshalText(text []byte) error {
	for i, word := range [...]string{"auto", "paho", "light"} {
		if string(text) == word {
			*k = ClientKind(i)
			return nil
		}
	}
	return fleet.Errorf(fleet.Invalid, "client %.40q: use auto, paho or light", text)
}

// Radio is the radio of the BLE devices.
type Radio = ble.Radio

// Config is a fleet. Zero fields are defaults that work, but for Broker and Devices.
type Config struct {
	Broker    mqttlite.Broker
	Devices   []Credential
	Version   fleet.Version // what devices run at first, unless their Credential has one; zero: 1
	Client    ClientKind
	Profile   Profile
	Faults    Faults
	Radio     Radio         // of the BLE devices, those whose Credential names a gateway
	Seed      uint64        // of the faults
	Ramp      float64       // connections started per second; 0: all at once
	Haste     float64       // divides reboot and reconnect waits; 0 or 1: as in the protocol
	KeepAlive time.Duration // 0: one minute; below zero: none
	Spread    bool          // source addresses from all of 127.0.0.0/8 (Linux, beyond 20,000 devices)

	// Progress, when set, is called each Every (0: one second) with a fresh snapshot, from
	// one goroutine. It may call the fleet's methods.
	Progress func(Snapshot)
	Every    time.Duration
	// Done, when set, is called each Every; true ends Run.
	Done func(*Fleet) bool
	// Expect returns what each device should run in the end; nil: Summary has no verdict.
	Expect func(fleet.DeviceID) (Expectation, bool)
}

// Fleet is a number of simulated devices. Its methods may be called at any time, from any
// goroutine; what a device stores outlives Run.
type Fleet struct {
	config  Config
	devices []*device
	byID    map[fleet.DeviceID]*device

	mu      sync.Mutex
	started time.Time // guarded by mu
	ended   time.Time // guarded by mu
}

// Run is New and Fleet.Run.
func Run(ctx context.Context, config Config) (Summary, error) {
	f, err := New(config)
	if err != nil {
		return Summary{}, err
	}
	return f.Run(ctx), nil
}

// New makes a fleet that is not connected yet. Errors are fleet.Invalid.
func New(config Config) (*Fleet, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	f := &Fleet{config: config, byID: make(map[fleet.DeviceID]*device, len(config.Devices))}
	gateways, err := config.gateways()
	if err != nil {
		return nil, err
	}
	for n, c := range config.Devices {
		if f.byID[c.ID] != nil {
			return nil, fleet.FieldErrorf("devices", "device %s appears twice", c.ID)
		}
		if c.Version.IsZero() {
			c.Version = config.Version
		}
		g := gateways[c.ID]
		self, dial := wire.Topic{Speaker: c.ID}, f.dialer(n, c, g != nil)
		switch {
		case c.Gateway != "":
			self = wire.Topic{Speaker: c.Gateway, Child: c.ID}
			dial = ble.NewRoamer(c.ID, reach(gateways, c.Gateway, config.Radio.Roam > 0)).Dial
		case g != nil:
			dial = g.Carry(dial)
		}
		m := newModel(&f.config.Profile, &f.config.Faults, config.Seed, self, c.Version)
		m.caches = g != nil && config.Radio.Caches
		if c.Hardware != "" {
			m.hardware = c.Hardware
		}
		d := newDevice(m, dial, config.Haste)
		d.gateway = g
		f.devices, f.byID[c.ID] = append(f.devices, d), d
	}
	return f, nil
}

// gateways are the devices that others name as theirs.
func (c *Config) gateways() (map[fleet.DeviceID]*ble.Gateway, error) {
	own := map[fleet.DeviceID]bool{}
	for _, d := range c.Devices {
		own[d.ID] = d.Gateway == ""
	}
	all := map[fleet.DeviceID]*ble.Gateway{}
	for _, d := range c.Devices {
		if d.Gateway != "" && !own[d.Gateway] {
			return nil, fleet.FieldErrorf("devices", "device %s is behind %s, which is not a device with a connection of its own", d.ID, d.Gateway)
		}
		if d.Gateway != "" && all[d.Gateway] == nil {
			all[d.Gateway] = ble.NewGateway(d.Gateway, &c.Radio)
		}
	}
	return all, nil
}

// reach is the gateways a BLE device can get into reach of, its first one first.
func reach(all map[fleet.DeviceID]*ble.Gateway, first fleet.DeviceID, roams bool) []*ble.Gateway {
	list := []*ble.Gateway{all[first]}
	if !roams {
		return list
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if id != first {
			list = append(list, all[id])
		}
	}
	return list
}

// complete fills in defaults and checks what Hello would be refused for.
func (c *Config) complete() error {
	if c.Version.IsZero() {
		c.Version = fleet.WholeVersion(1)
	}
	if c.Client == Auto && len(c.Devices) > maxPaho {
		c.Client = Light
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = time.Minute
	}
	c.KeepAlive = max(c.KeepAlive, 0)
	if c.Every <= 0 {
		c.Every = time.Second
	}
	chunk, window := c.Profile.chunk(), c.Profile.window()
	switch {
	case chunk < wire.MinChunk || chunk > wire.MaxChunk:
		return fleet.FieldErrorf("chunk", "chunk of %d bytes: use %d to %d", chunk, wire.MinChunk, wire.MaxChunk)
	case window > wire.MaxWindow || chunk*window > wire.MaxInFlight:
		return fleet.FieldErrorf("window", "window of %d chunks of %d bytes: use up to %d chunks and %d bytes",
			window, chunk, wire.MaxWindow, wire.MaxInFlight)
	case c.Broker.Dialer == nil && c.Broker.Host == "":
		return fleet.FieldErrorf("broker", "no broker to connect to")
	}
	return nil
}

func (f *Fleet) dialer(n int, c Credential, gateway bool) func(context.Context) (client, error) {
	broker := f.config.Broker
	if f.config.Spread {
		broker = broker.Spread(n)
	}
	o := mqtt.Client{ID: c.ID.String(), User: cmp.Or(c.User, c.ID.String()), Password: c.Secret, KeepAlive: f.config.KeepAlive}
	if f.config.Client == Light || gateway { // Paho's queue is for one device
		return func(ctx context.Context) (client, error) { return noNil(mqttlite.Dial(ctx, broker, o)) }
	}
	return func(ctx context.Context) (client, error) { return noNil(dialPaho(ctx, broker, o)) }
}

// noNil keeps a nil pointer from becoming a client.
func noNil[C client](c C, err error) (client, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Run connects the devices and keeps them going until ctx ends or Config.Done returns true;
// then every device disconnects properly, and Run waits for that.
func (f *Fleet) Run(ctx context.Context) Summary {
	f.mu.Lock()
	f.started, f.ended = time.Now(), time.Time{}
	f.mu.Unlock()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { f.watch(ctx, stop) })
	f.ramp(ctx, &running)
	<-ctx.Done()
	for _, d := range f.devices {
		d.poke(pokeNothing)
	}
	running.Wait()

	f.mu.Lock()
	f.ended = time.Now()
	f.mu.Unlock()
	return f.Summary()
}

func (f *Fleet) ramp(ctx context.Context, running *sync.WaitGroup) {
	limit := rate.Inf
	if f.config.Ramp > 0 {
		limit = rate.Limit(f.config.Ramp)
	}
	pace := rate.NewLimiter(limit, 1)
	for _, d := range f.devices {
		if pace.Wait(ctx) != nil {
			return
		}
		running.Go(func() { d.run(ctx) })
	}
}

// watch reports progress until ctx ends, and ends it when the fleet is done.
func (f *Fleet) watch(ctx context.Context, stop func()) {
	ticker := time.NewTicker(f.config.Every)
	defer ticker.Stop()
	before := f.Snapshot()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if f.config.Progress != nil {
			s := f.Snapshot()
			s.Rate = float64(s.Bytes-before.Bytes) / s.At.Sub(before.At).Seconds()
			before = s
			f.config.Progress(s)
		}
		if f.config.Done != nil && f.config.Done(f) {
			stop()
			return
		}
	}
}

// Rehello makes devices send Hello again, within the protocol's rate; without ids, all
// of them. Those that are not connected do so anyway.
func (f *Fleet) Rehello(ids ...fleet.DeviceID) { f.poke(pokeHello, ids) }

// Disconnect makes devices lose their connection; without ids, all of them.
func (f *Fleet) Disconnect(ids ...fleet.DeviceID) { f.poke(pokeDrop, ids) }

// PowerCycle makes connected devices lose their power and boot again; without ids, all.
func (f *Fleet) PowerCycle(ids ...fleet.DeviceID) { f.poke(pokePower, ids) }

func (f *Fleet) poke(p poke, ids []fleet.DeviceID) {
	if len(ids) == 0 {
		for _, d := range f.devices {
			d.poke(p)
		}
	}
	for _, id := range ids {
		if d := f.byID[id]; d != nil {
			d.poke(p)
		}
	}
}
