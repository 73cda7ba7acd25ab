package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/muster-iot/muster/cli"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

type simulateCmd struct {
	Broker      string                  `help:"MQTT address to connect to: tcp://, tls://, ws:// or wss://HOST[:PORT]." default:"tcp://127.0.0.1:1883" placeholder:"URL"`
	Credentials string                  `help:"File of devices: lines \"device,secret[,version[,user name]]\", JSON lines, or the JSON that muster device import prints; - for standard input." required:"" placeholder:"FILE"`
	CA          string                  `name:"ca" help:"Trusted CA certificates, in PEM; by default the system's." type:"existingfile" placeholder:"FILE"`
	Devices     int                     `help:"Use only the first N devices of the file; 0 for all." placeholder:"N"`
	Product     string                  `help:"Product slug that devices report; by default none." placeholder:"SLUG"`
	Version     string                  `help:"Initial version of devices for which the file names none." default:"1" placeholder:"VERSION"`
	Client      simulator.ClientKind    `help:"MQTT client: auto, paho or light; auto uses paho for up to 100 devices." default:"auto" placeholder:"KIND"`
	Ramp        float64                 `help:"Connections to start per second; 0 for all at once." default:"200" placeholder:"N"`
	For         time.Duration           `help:"Stop after this time." default:"5m" placeholder:"TIME"`
	Stay        bool                    `help:"Run until --for is over or Ctrl-C, instead of stopping as soon as every device runs its target."`
	Rehello     time.Duration           `help:"Repeat each device's Hello at this interval; 0 for never." placeholder:"TIME"`
	Haste       float64                 `help:"Speed up reboots and reconnects by this factor." default:"1" placeholder:"N"`
	FailAt      []simulator.StageChance `help:"Share of updates that fail at a stage (download, verify, store, apply), as in verify:2%." placeholder:"STAGE:P%"`
	Powerloss   []simulator.StageChance `help:"Share of devices that lose power at a stage, as in download:1%." placeholder:"STAGE:P%"`
	Revert      simulator.Chance        `help:"Share of updates that roll back to the old version after applying, as in 0.5%." placeholder:"P%"`
	Breaks      []simulator.Break       `help:"Version that a share of the devices always rolls back, of all or of one hardware revision, as in 3:5% or 3@rev-b:30%." placeholder:"VERSION[@HARDWARE]:P%"`
	Drop        simulator.Chance        `help:"Share of updates that lose the connection midway." placeholder:"P%"`
	Corrupt     chanceOrAll             `help:"Share of updates in which a received byte is corrupted; all of them without P%." placeholder:"[P%]"`
	NotNow      simulator.Chance        `help:"Share of devices that decline updates." placeholder:"P%"`
	Slow        simulator.Slow          `help:"Limit the rate at which devices store data, as in 1KB/s, or 64KiB/s:10% for a share of them." placeholder:"RATE[:P%]"`
	Gateways    int                     `help:"Make the first N devices of the file gateways, with --ble devices behind each." placeholder:"N"`
	BLE         int                     `name:"ble" help:"Bluetooth LE devices behind each gateway, named GATEWAY-ble-1 and so on. Import them first, unless GATEWAY is a gateway already and its product has auto_register." default:"10" placeholder:"M"`
	Radio       simulator.Slow          `help:"Data rate of the radio link to each of them, as in 10KB/s." placeholder:"RATE"`
	Loss        simulator.Chance        `help:"Share of chunks lost on the radio link." placeholder:"P%"`
	Roam        time.Duration           `help:"Move each of them into another gateway's range at this interval; 0 for never." placeholder:"TIME"`
	Caches      bool                    `help:"Let gateways download an image once for all their devices."`
	Seed        uint64                  `help:"Random seed; the same seed gives the same faults." default:"1" placeholder:"N"`
	Spread      bool                    `help:"Use source addresses from all of 127.0.0.0/8, for more than 20,000 devices on one machine."`
	Expect      string                  `help:"Version that every device should end up running; by default the target that the server sent it." placeholder:"VERSION"`
	Image       string                  `help:"Image that every device should have received, byte for byte." type:"existingfile" placeholder:"FILE"`
	JSON        string                  `name:"json" help:"Write the report to this file as JSON; - for standard output." placeholder:"FILE"`
	Plain       bool                    `help:"Print plain progress lines instead of a live view."`
}

// Run simulates until every device has settled, --for is over or ctx ends.
func (s *simulateCmd) Run(ctx context.Context) error {
	config, err := s.config()
	if err != nil {
		return err
	}
	view := terminal.NewView(os.Stderr, s.Plain)
	config.Progress = func(now simulator.Snapshot) { view.Show(fleetLines(now)) }
	done := s.Stay // all devices have settled; read after the fleet's Run
	if !s.Stay {
		config.Done = func(f *simulator.Fleet) bool {
			done = settled(f)
			return done
		}
	}
	f, err := simulator.New(config)
	if err != nil {
		return err
	}
	expect, err := s.expectation(f)
	if err != nil {
		return err
	}
	file, err := s.open()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.For)
	defer cancel()
	report := f.Run(limited)
	verdict := f.Verdict(expect)
	report.Verdict = &verdict
	view.End()
	interrupted := ctx.Err() != nil && !done
	if interrupted {
		view.Say("Interrupted before every device had settled. So far:")
	}
	printVerdict(os.Stderr, verdict, report.Totals)
	err = write(file, report)
	switch {
	case interrupted && err == nil:
		return ctx.Err()
	case !interrupted && !verdict.OK:
		return errors.Join(errVerdict, err)
	}
	return err
}

// expectation returns what each device should run: --expect and --image, or by default the
// target in its last Welcome.
func (s *simulateCmd) expectation(f *simulator.Fleet) (func(fleet.DeviceID) (simulator.Expectation, bool), error) {
	var fixed simulator.Expectation
	if s.Image != "" {
		image, err := os.ReadFile(s.Image)
		if err != nil {
			return nil, err
		}
		fixed.Digest = sha256.Sum256(image)
	}
	if s.Expect != "" {
		version, err := fleet.ParseVersion(s.Expect)
		if err != nil {
			return nil, cli.Misuse("--expect: %s", err)
		}
		fixed.Version = version
		return func(fleet.DeviceID) (simulator.Expectation, bool) { return fixed, true }, nil
	}
	return func(id fleet.DeviceID) (simulator.Expectation, bool) {
		expected := fixed
		status, _ := f.Device(id)
		expected.Version = status.Target
		if status.Target.IsZero() && status.Stats.Handshakes > 0 {
			expected.Version = status.Running // the server sent no target
		}
		return expected, true
	}, nil
}

// open opens the file of --json, nil if there is none. Run calls it before the simulation, so
// that no report is lost to a file that can't be written.
func (s *simulateCmd) open() (*os.File, error) {
	switch s.JSON {
	case "":
		return nil, nil
	case "-":
		return os.Stdout, nil
	}
	file, err := os.OpenFile(s.JSON, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // a report is not secret
	if err != nil {
		return nil, fmt.Errorf("--json: %w", err)
	}
	return file, nil
}

// write writes report to file, if any, and closes it.
func write(file *os.File, report simulator.Summary) error {
	if file == nil {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err == nil {
		_, err = file.Write(append(text, '\n'))
	}
	return errors.Join(err, file.Close())
}

// settled reports whether every device is online and runs its target.
func settled(f *simulator.Fleet) bool {
	now := f.Snapshot()
	return now.Online == now.Devices && now.States[simulator.Idle.String()] == now.Devices && f.Verdict(func(id fleet.DeviceID) (simulator.Expectation, bool) {
		status, _ := f.Device(id)
		return simulator.Expectation{Version: status.Target}, !status.Target.IsZero()
	}).OK
}
