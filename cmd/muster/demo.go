package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

type demoCmd struct {
	Devices int    `help:"Simulated devices, 10 to 20000." default:"200" placeholder:"N"`
	Exit    bool   `help:"End with a verdict instead of staying up: exit code 1 when a device does not run what it should."`
	Seed    uint64 `help:"Same seed, same roles and same faults." default:"1" placeholder:"N"`
	MQTT    string `name:"mqtt" help:"Address of MQTT; a free port is taken when it is in use." default:"127.0.0.1:1883" placeholder:"ADDR"`
	HTTP    string `name:"http" help:"Address of REST; a free port is taken when it is in use." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Plain   bool   `help:"Plain lines instead of a live view."`
}

const (
	demoOwner    = "owner@demo.example"
	demoPassword = "muster-demo"
	demoProduct  = "widget"

	// Each step of the story may take demoPatience, and more in a large fleet. The first
	// release need not have arrived everywhere for the second to begin.
	demoPatience          = 20 * time.Second
	demoFirstPatience     = 8 * time.Second
	demoPatiencePerDevice = 15 * time.Millisecond
	// demoRehello is how often a device of the demo says Hello by itself: releases reach
	// devices at their next handshake, which nobody wants to wait a day for here.
	demoRehello = 5 * time.Second
	// demoHaste makes simulated reboots and reconnects quicker than real ones.
	demoHaste = 8
	// demoRadio is how fast the radio to a BLE device is: quicker than a real one too.
	demoRadio = 256 << 10 // bytes per second
)

var demoImageSizes = map[uint32]int{1: 220 << 10, 2: 310 << 10, 3: 370 << 10} // bytes

// demo is one run of the story.
type demo struct {
	cmd    *demoCmd
	view   *view
	client *client.Client
	roles  []role
	images map[uint32][]byte
	fleet  *simulator.Fleet
}

// Run tells the story from an empty cloud to a fleet that runs what it should.
func (c *demoCmd) Run(ctx context.Context) error {
	if c.Devices < 10 || c.Devices > 20_000 {
		return wrongUse("--devices %d: use 10 to 20000", c.Devices)
	}
	server, err := cloud.New(ctx, cloud.Config{
		MQTT: free(c.MQTT), HTTP: free(c.HTTP), Ephemeral: true,
		OwnerEmail: demoOwner, OwnerPassword: demoPassword,
		MaxAttempts: 5, CoolDown: []time.Duration{time.Second, 2 * time.Second}, // nobody waits ten minutes for a second try here
		MaxSessionAge: 24 * time.Hour, Version: version(),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	var served error
	tasks.Go(func() { served = server.Run(serving) })
	d := &demo{cmd: c, view: newView(os.Stdout, c.Plain), roles: cast(c.Devices, c.Seed), images: map[uint32][]byte{}}
	err = d.tell(ctx, serving, &tasks, server.Addresses())
	switch {
	case err == nil && !c.Exit:
		d.view.say("\nThe fleet goes on. Ctrl-C ends it all.")
		<-ctx.Done()
	case err != nil && ctx.Err() != nil && !errors.Is(err, errVerdict):
		d.view.say("\nNo verdict: the story was interrupted.")
		err = ctx.Err() // whatever failed, failed because all was told to end
	}
	stop()
	tasks.Wait()
	return errors.Join(err, served)
}

// free is addr, or a free port on its host when its port is taken.
func free(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		_ = l.Close()
		return addr
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil || !errors.Is(err, syscall.EADDRINUSE) {
		return addr // the server will say what is wrong with it
	}
	return net.JoinHostPort(host, "0")
}

// tell is the story, step by step.
func (d *demo) tell(ctx, serving context.Context, tasks *sync.WaitGroup, at cloud.Addresses) error {
	d.view.say("Muster is up, with everything in memory.")
	d.view.say("  console http://%s/", at.HTTP)
	d.view.say("  REST    http://%s/v1  (described at http://%s/v1/docs)", at.HTTP, at.HTTP)
	d.view.say("  MQTT    %s, and over WebSocket %s", at.MQTT, at.WebSocket)
	d.view.say("  sign in as %s with %s\n", demoOwner, demoPassword)
	credentials, err := d.prepare(ctx, "http://"+at.HTTP)
	if err != nil {
		return err
	}
	if err := d.start(serving, tasks, at.MQTT, credentials); err != nil {
		return err
	}
	if err := d.wait(ctx, demoPatience, "every device has shaken hands", func() bool {
		now := d.fleet.Snapshot()
		return now.Online == now.Devices
	}); err != nil {
		return err
	}
	if err := d.release(ctx, "Version 2 goes to the group prerelease, at each device's next handshake.",
		api.Release{Version: whole(prereleaseVersion), Groups: api.Some(api.Names{groupPrerelease})}); err != nil {
		return err
	}
	if err := d.wait(ctx, demoFirstPatience, "the prerelease devices run it", func() bool { return d.arrived(prereleaseVersion) }); err != nil {
		return err
	}
	if err := d.release(ctx, "Version 3 becomes the product default, at once for who is online.",
		api.Release{Version: whole(defaultVersion), Default: new(true), Intelligent: true}); err != nil {
		return err
	}
	if err := d.wait(ctx, demoPatience, "every device runs what the rules say", func() bool { return d.verdict().OK }); err != nil {
		return err
	}
	if err := d.explain(ctx); err != nil {
		return err
	}
	return d.judge()
}

// prepare makes product, firmware, groups and devices, over REST like any operator, and
// returns the devices' secrets.
func (d *demo) prepare(ctx context.Context, base string) ([]simulator.Credential, error) {
	client, _, err := client.SignIn(ctx, base, demoOwner, demoPassword)
	if err != nil {
		return nil, err
	}
	d.client = client
	if _, err := client.CreateProduct(ctx, "Widget", demoProduct); err != nil {
		return nil, err
	}
	for _, g := range []struct{ name, what string }{
		{groupPrerelease, "Customers who want new firmware first"},
		{groupEU, "Devices in Europe: a group without a release"},
		{groupHoldBack, "Devices that stay on version 1"},
	} {
		if _, err := client.CreateGroup(ctx, demoProduct, g.name, g.what); err != nil {
			return nil, err
		}
	}
	if err := d.upload(ctx); err != nil {
		return nil, err
	}
	secrets, err := d.enroll(ctx)
	if err != nil {
		return nil, err
	}
	d.view.say("Product %s: firmware 1, 2 and 3; groups prerelease, eu, hold-back; %d devices that run version 1,", demoProduct, len(d.roles))
	d.view.say("a fifth of them Bluetooth LE devices behind gateways.")
	d.view.say("Version 1 is the product default, and what hold-back stays on.\n")
	_, err = client.Release(ctx, demoProduct, api.Release{
		Version: whole(factoryVersion), Groups: api.Some(api.Names{groupHoldBack}), Default: new(true),
	})
	return secrets, err
}

func (d *demo) start(ctx context.Context, tasks *sync.WaitGroup, mqtt string, devices []simulator.Credential) error {
	broker, err := mqttlite.ParseBroker("tcp://" + mqtt)
	if err != nil {
		return err
	}
	d.fleet, err = simulator.New(simulator.Config{
		Broker: broker, Devices: devices, Version: fleet.WholeVersion(factoryVersion), Seed: d.cmd.Seed,
		Client: simulator.Light, Ramp: 500, Haste: demoHaste,
		Profile: simulator.Profile{Product: demoProduct, Rehello: demoRehello},
		Faults: simulator.Faults{
			FailAt:    []simulator.StageChance{{Stage: simulator.StageVerify, Chance: 0.02}},
			PowerLoss: []simulator.StageChance{{Stage: simulator.StageDownload, Chance: 0.03}},
			Revert:    0.01, Drop: 0.03, Corrupt: 0.01,
			Slow: simulator.Slow{Rate: 96 << 10, Share: 0.03},
		},
		Radio:    simulator.Radio{Rate: demoRadio, Delay: 5 * time.Millisecond},
		Progress: func(now simulator.Snapshot) { d.view.show(fleetLines(now)) },
		Every:    500 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	d.view.say("The fleet connects. Some devices are slow, some lose their power or their connection, some fail.")
	tasks.Go(func() { d.fleet.Run(ctx) })
	return nil
}

// release shows the impact before it releases, as the console and the CLI do.
func (d *demo) release(ctx context.Context, what string, r api.Release) error {
	impact, err := d.client.PreviewRelease(ctx, demoProduct, r)
	if err != nil {
		return err
	}
	d.view.say("\n%s", what)
	d.view.say("Impact: %d of %d devices will receive an update as a direct result.", impact.Devices.Update.Total, impact.Devices.Of)
	_, err = d.client.Release(ctx, demoProduct, r)
	return err
}

// wait waits until done. When the time is over it goes on: the verdict will tell.
func (d *demo) wait(ctx context.Context, patience time.Duration, what string, done func() bool) error {
	started := time.Now()
	patience += time.Duration(len(d.roles)) * demoPatiencePerDevice
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if time.Since(started) > patience {
			d.view.say("Going on after %s, although not everywhere: %s.", patience, what)
			return nil
		}
	}
	d.view.show(fleetLines(d.fleet.Snapshot()))
	d.view.say("After %.1f s %s.", time.Since(started).Seconds(), what)
	return nil
}

// arrived reports whether every device that should end on version v is there.
func (d *demo) arrived(v uint32) bool {
	for _, r := range d.roles {
		status, _ := d.fleet.Device(r.id)
		if r.lock == 0 && r.shouldRun() == v && !status.Running.Equal(fleet.WholeVersion(v)) {
			return false
		}
	}
	return true
}

// verdict holds the fleet against the story's own account of the rules.
func (d *demo) verdict() simulator.Verdict {
	should := make(map[fleet.DeviceID]uint32, len(d.roles))
	for _, r := range d.roles {
		should[r.id] = r.shouldRun()
	}
	return d.fleet.Verdict(func(id fleet.DeviceID) (simulator.Expectation, bool) {
		v, known := should[id]
		return simulator.Expectation{Version: fleet.WholeVersion(v), Digest: sha256.Sum256(d.images[v])}, known
	})
}

func (d *demo) judge() error {
	v := d.verdict()
	d.view.say("")
	printVerdict(os.Stdout, v, d.fleet.Snapshot().Totals)
	if !v.OK {
		return errVerdict
	}
	return nil
}

func whole(v uint32) api.Version { return api.Version{Version: fleet.WholeVersion(v)} }
