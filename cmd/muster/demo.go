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
	"github.com/muster-iot/muster/cli"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

type demoCmd struct {
	Devices int    `help:"Number of simulated devices, 40 to 20000." default:"200" placeholder:"N"`
	Exit    bool   `help:"Exit after the verdict instead of staying up; exit code 1 if a device does not run what it should."`
	Seed    uint64 `help:"Random seed; the same seed gives the same roles and faults." default:"1" placeholder:"N"`
	MQTT    string `name:"mqtt" help:"MQTT address; if its port is in use a free one is taken." default:"127.0.0.1:1883" placeholder:"ADDR"`
	HTTP    string `name:"http" help:"HTTP address; if its port is in use a free one is taken." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Plain   bool   `help:"Print plain lines instead of a live view."`
}

const (
	demoOwner    = "owner@demo.example"
	demoPassword = "muster-demo"
	demoProduct  = "widget"

	// Each step may take demoPatience, and longer in a large fleet. The second release starts
	// after demoFirstPatience even if the first has not arrived everywhere.
	demoPatience          = 20 * time.Second
	demoFirstPatience     = 8 * time.Second
	demoPatiencePerDevice = 15 * time.Millisecond
	// demoRehello is how often a device repeats its Hello. Releases reach devices at their next
	// handshake, which may otherwise be a day away.
	demoRehello = 5 * time.Second
	// demoHaste speeds up reboots and reconnects.
	demoHaste = 8
	// demoRadio is the rate of a BLE device's radio link, faster than a real one.
	demoRadio = 256 << 10 // bytes per second
)

var demoImageSizes = map[uint32]int{1: 220 << 10, 2: 310 << 10, 3: 340 << 10, 4: 370 << 10} // bytes

// demo is one run of the demo.
type demo struct {
	cmd    *demoCmd
	view   *terminal.View
	client *client.Client
	roles  []role
	images map[uint32][]byte
	fleet  *simulator.Fleet
	faults uint64 // seed of the simulator, of which the faults are drawn
}

// Run goes from an empty server to a fleet that runs what it should.
func (c *demoCmd) Run(ctx context.Context) error {
	if c.Devices < 40 || c.Devices > 20_000 {
		return cli.Misuse("--devices %d: use 40 to 20000", c.Devices)
	}
	config := configs.Default()
	config.MQTT.Addr, config.HTTP.Addr, config.Redis.Ephemeral = free(c.MQTT), free(c.HTTP), true
	config.Owner.Email, config.Owner.Password = demoOwner, demoPassword
	config.OTA.Attempts, config.OTA.CoolDown = 5, []time.Duration{time.Second, 2 * time.Second} // a second attempt must not take ten minutes here
	server, err := cloud.New(ctx, cloud.Config{
		Config: config, Version: version(),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	var served error
	tasks.Go(func() { served = server.Run(serving) })
	d := &demo{cmd: c, view: terminal.NewView(os.Stdout, c.Plain), roles: cast(c.Devices, c.Seed), images: map[uint32][]byte{}}
	err = d.play(ctx, serving, &tasks, server.Addresses())
	switch {
	case err == nil && !c.Exit:
		d.view.Say("\nThe fleet keeps running. Press Ctrl-C to stop.")
		<-ctx.Done()
	case err != nil && ctx.Err() != nil && !errors.Is(err, errVerdict):
		d.view.Say("\nNo verdict: the demo was interrupted.")
		err = ctx.Err() // whatever failed did so because ctx ended
	}
	stop()
	tasks.Wait()
	return errors.Join(err, served)
}

// free returns addr, or a free port on its host if the port is in use.
func free(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		_ = l.Close()
		return addr
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil || !errors.Is(err, syscall.EADDRINUSE) {
		return addr // the server reports what is wrong with it
	}
	return net.JoinHostPort(host, "0")
}

// play runs the demo step by step.
func (d *demo) play(ctx, serving context.Context, tasks *sync.WaitGroup, at cloud.Addresses) error {
	d.view.Say("Muster is running, with everything in memory.")
	d.view.Say("  console http://%s/", at.HTTP)
	d.view.Say("  REST    http://%s/v1  (documented at http://%s/v1/docs)", at.HTTP, at.HTTP)
	d.view.Say("  MQTT    %s, and over WebSocket %s", at.MQTT, at.WebSocket)
	d.view.Say("  sign in as %s with %s\n", demoOwner, demoPassword)
	credentials, err := d.prepare(ctx, "http://"+at.HTTP)
	if err != nil {
		return err
	}
	if err := d.start(serving, tasks, at.MQTT, credentials); err != nil {
		return err
	}
	if err := d.wait(ctx, demoPatience, "every device has completed its handshake", func() bool {
		now := d.fleet.Snapshot()
		return now.Online == now.Devices
	}); err != nil {
		return err
	}
	if err := d.release(ctx, "Releasing version 2 to the group prerelease, at each device's next handshake.",
		api.Release{Version: whole(prereleaseVersion), Groups: api.Some(api.Names{groupPrerelease})}); err != nil {
		return err
	}
	if err := d.wait(ctx, demoFirstPatience, "the prerelease devices run it", func() bool { return d.arrived(prereleaseVersion) }); err != nil {
		return err
	}
	faulty, err := d.fail(ctx)
	if err != nil {
		return err
	}
	if err := d.succeed(ctx); err != nil {
		return err
	}
	if err := d.wait(ctx, demoPatience, "every device runs what the rules require", func() bool { return d.verdict().OK }); err != nil {
		return err
	}
	if err := d.explain(ctx); err != nil {
		return err
	}
	return d.judge(faulty)
}

// prepare creates the product, firmware, groups and devices over REST, as an operator would,
// and returns the devices' secrets.
func (d *demo) prepare(ctx context.Context, base string) ([]simulator.Credential, error) {
	client, _, err := client.SignIn(ctx, base, demoOwner, demoPassword)
	if err != nil {
		return nil, err
	}
	d.client = client
	product, err := client.CreateProduct(ctx, "Widget", demoProduct)
	if err != nil {
		return nil, err
	}
	d.faults = faultSeed(d.cmd.Seed, firstStage(d.roles, fleet.ProductID(product.ID)))
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
	d.view.Say("Product %s: firmware 1 to 4; groups prerelease, eu and hold-back; %d devices running version 1,", demoProduct, len(d.roles))
	d.view.Say("a fifth of them Bluetooth LE devices behind gateways, two thirds of hardware %s.", hardwareB)
	d.view.Say("Version 1 is released as the product default and to the group hold-back.\n")
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
		Broker: broker, Devices: devices, Version: fleet.WholeVersion(factoryVersion), Seed: d.faults,
		Client: simulator.Light, Ramp: 500, Haste: demoHaste,
		Profile:  simulator.Profile{Product: demoProduct, Rehello: demoRehello},
		Faults:   demoFaults,
		Radio:    simulator.Radio{Rate: demoRadio, Delay: 5 * time.Millisecond},
		Progress: func(now simulator.Snapshot) { d.view.Show(fleetLines(now)) },
		Every:    500 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	d.view.Say("The fleet is connecting. Some devices are slow, lose power, or lose their connection.")
	tasks.Go(func() { d.fleet.Run(ctx) })
	return nil
}

// release prints the impact before it releases, as the console and the CLI do.
func (d *demo) release(ctx context.Context, what string, r api.Release) error {
	_, err := d.released(ctx, what, r)
	return err
}

// released releases a version, and returns its firmware then.
func (d *demo) released(ctx context.Context, what string, r api.Release) (api.Firmware, error) {
	impact, err := d.client.PreviewRelease(ctx, demoProduct, r)
	if err != nil {
		return api.Firmware{}, err
	}
	d.view.Say("\n%s", what)
	d.view.Say("Impact: %d of %d devices will receive an update as a direct result.", impact.Devices.Update.Total, impact.Devices.Of)
	return d.client.Release(ctx, demoProduct, r)
}

// wait waits until done. When patience runs out it returns without an error: the verdict
// shows what is missing.
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
			d.view.Say("Continuing after %s, before %s.", patience, what)
			return nil
		}
	}
	d.view.Show(fleetLines(d.fleet.Snapshot()))
	d.view.Say("After %.1f s %s.", time.Since(started).Seconds(), what)
	return nil
}

// arrived reports whether every device that should end on version v runs it.
func (d *demo) arrived(v uint32) bool {
	for _, r := range d.roles {
		status, _ := d.fleet.Device(r.id)
		if r.lock == 0 && r.shouldRun() == v && !status.Running.Equal(fleet.WholeVersion(v)) {
			return false
		}
	}
	return true
}

// verdict compares the fleet with what shouldRun expects of each role.
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

// judge prints the verdict: over what devices run, and over the release that should have halted.
func (d *demo) judge(faulty api.StagedRelease) error {
	v := d.verdict()
	d.view.Say("")
	printVerdict(os.Stdout, v, d.fleet.Snapshot().Totals)
	text, contained := d.contained(faulty)
	d.view.Say("%s", text)
	if !v.OK || !contained {
		return errVerdict
	}
	return nil
}

func whole(v uint32) api.Version { return api.Version{Version: fleet.WholeVersion(v)} }
