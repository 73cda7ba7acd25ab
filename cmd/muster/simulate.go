package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
)

type simulateCmd struct {
	Broker      string                  `help:"Where devices connect: tcp://, tls://, ws:// or wss://HOST[:PORT]." default:"tcp://127.0.0.1:1883" placeholder:"URL"`
	Credentials string                  `help:"File of devices: lines \"device,secret[,version]\", JSON lines, or the answer of an import; - reads standard input." required:"" placeholder:"FILE"`
	CA          string                  `name:"ca" help:"Certificates that the server's may be signed by, PEM; the system's by default." type:"existingfile" placeholder:"FILE"`
	Devices     int                     `help:"Take only the first N devices of the file; 0 takes all." placeholder:"N"`
	Product     string                  `help:"Product slug the devices tell; none by default." placeholder:"SLUG"`
	Version     string                  `help:"Version the devices run at first where the file says nothing." default:"1" placeholder:"VERSION"`
	Client      simulator.ClientKind    `help:"MQTT client: auto, paho or light; auto is paho up to 100 devices." default:"auto" placeholder:"KIND"`
	Ramp        float64                 `help:"Connections started per second; 0 starts all at once." default:"200" placeholder:"N"`
	For         time.Duration           `help:"End after this long." default:"5m" placeholder:"TIME"`
	Stay        bool                    `help:"Stay until --for is over or Ctrl-C; else end as soon as every device runs its target."`
	Rehello     time.Duration           `help:"Each device says Hello again this often; 0 never." placeholder:"TIME"`
	Haste       float64                 `help:"Divide the devices' waits for reboot and reconnect by this." default:"1" placeholder:"N"`
	FailAt      []simulator.StageChance `help:"Updates that fail at a stage (download, verify, store, apply), as in verify:2%." placeholder:"STAGE:P%"`
	Powerloss   []simulator.StageChance `help:"Devices that lose their power at a stage, as in download:1%." placeholder:"STAGE:P%"`
	Revert      simulator.Chance        `help:"Updates that fall back to the old version after applying, as in 0.5%." placeholder:"P%"`
	Drop        simulator.Chance        `help:"Updates that lose their connection in the middle." placeholder:"P%"`
	Corrupt     chanceOrAll             `help:"Updates in which a received byte flips; all of them where P% is left out." placeholder:"[P%]"`
	NotNow      simulator.Chance        `help:"Devices that take no updates." placeholder:"P%"`
	Slow        simulator.Slow          `help:"Devices that store no more than this, as in 1KB/s or 64KiB/s:10%." placeholder:"RATE[:P%]"`
	Gateways    int                     `help:"The first N devices of the file are gateways, with --ble devices behind each." placeholder:"N"`
	BLE         int                     `name:"ble" help:"Bluetooth LE devices behind each gateway, named GATEWAY-ble-1 and so on; imported, or added where GATEWAY is one already and its product has auto_register." default:"10" placeholder:"M"`
	Radio       simulator.Slow          `help:"Speed of the radio to each of them, as in 10KB/s." placeholder:"RATE"`
	Loss        simulator.Chance        `help:"Chunks lost on the radio." placeholder:"P%"`
	Roam        time.Duration           `help:"Each of them comes into another gateway's reach this often; 0 never." placeholder:"TIME"`
	Caches      bool                    `help:"Gateways fetch an image once for all their devices."`
	Seed        uint64                  `help:"Same seed, same faults." default:"1" placeholder:"N"`
	Spread      bool                    `help:"Use source addresses from all of 127.0.0.0/8, for more than 20,000 devices on one machine."`
	Expect      string                  `help:"Verdict: every device runs this version. Without it: the target the server named." placeholder:"VERSION"`
	Image       string                  `help:"Verdict: and received exactly this file." type:"existingfile" placeholder:"FILE"`
	JSON        string                  `name:"json" help:"Write the report as JSON here; - writes it to standard output." placeholder:"FILE"`
	Plain       bool                    `help:"Plain progress lines instead of a live view."`
}

// Run simulates until every device has settled, the time is over or ctx ends.
func (s *simulateCmd) Run(ctx context.Context) error {
	config, err := s.config()
	if err != nil {
		return err
	}
	view := newView(os.Stderr, s.Plain)
	config.Progress = func(now simulator.Snapshot) { view.show(fleetLines(now)) }
	done := s.Stay // nothing more is waited for; read once the fleet's Run is over
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
	view.end()
	interrupted := ctx.Err() != nil && !done
	if interrupted {
		view.say("Interrupted before every device had settled; as it stands:")
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

// expectation is what each device should run: what --expect and --image say, else the
// target its last Welcome named.
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
			return nil, wrongUse("--expect: %s", err)
		}
		fixed.Version = version
		return func(fleet.DeviceID) (simulator.Expectation, bool) { return fixed, true }, nil
	}
	return func(id fleet.DeviceID) (simulator.Expectation, bool) {
		expected := fixed
		status, _ := f.Device(id)
		expected.Version = status.Target
		if status.Target.IsZero() && status.Stats.Handshakes > 0 {
			expected.Version = status.Running // the server wants nothing of it
		}
		return expected, true
	}, nil
}

// open opens the file of --json, nil for none. It is done before the fleet runs: a report
// that can't be written would be lost.
func (s *simulateCmd) open() (*os.File, error) {
	switch s.JSON {
	case "":
		return nil, nil
	case "-":
		return os.Stdout, nil
	}
	file, err := os.OpenFile(s.JSON, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // a report for everyone to read
	if err != nil {
		return nil, fmt.Errorf("--json: %w", err)
	}
	return file, nil
}

// write writes report to file, if any, and closes it.
func write(file *os.File, report simulator.Report) error {
	if file == nil {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err == nil {
		_, err = file.Write(append(text, '\n'))
	}
	return errors.Join(err, file.Close())
}

// settled reports whether every device is online and runs the target it was named.
func settled(f *simulator.Fleet) bool {
	now := f.Snapshot()
	return now.Online == now.Devices && now.States[simulator.Idle.String()] == now.Devices && f.Verdict(func(id fleet.DeviceID) (simulator.Expectation, bool) {
		status, _ := f.Device(id)
		return simulator.Expectation{Version: status.Target}, !status.Target.IsZero()
	}).OK
}
