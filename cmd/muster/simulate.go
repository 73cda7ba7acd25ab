package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
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
	Corrupt     simulator.Chance        `help:"Updates in which a received byte flips." placeholder:"P%"`
	NotNow      simulator.Chance        `help:"Devices that take no updates." placeholder:"P%"`
	Slow        simulator.Slow          `help:"Devices that store no more than this, as in 1KB/s or 64KiB/s:10%." placeholder:"RATE[:P%]"`
	Gateways    int                     `help:"The first N devices of the file are gateways, with --ble devices behind each." placeholder:"N"`
	BLE         int                     `name:"ble" help:"Bluetooth LE devices behind each gateway, named GATEWAY-ble-1 and so on; imported, or added by a product with auto_register." default:"10" placeholder:"M"`
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
	f, err := simulator.New(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.For)
	defer cancel()
	expect, err := s.expectation(f)
	if err != nil {
		return err
	}
	report := f.Run(ctx)
	verdict := f.Verdict(expect)
	report.Verdict = &verdict
	view.end()
	printVerdict(os.Stderr, verdict, report.Totals)
	if err := s.write(report); err != nil {
		return err
	}
	if !verdict.OK {
		return errVerdict
	}
	return nil
}

func (s *simulateCmd) config() (simulator.Config, error) {
	broker, err := simulator.ParseBroker(s.Broker)
	if err != nil {
		return simulator.Config{}, err
	}
	if broker.TLS, err = s.trust(); err != nil {
		return simulator.Config{}, err
	}
	version, err := fleet.ParseVersion(s.Version)
	if err != nil {
		return simulator.Config{}, err
	}
	devices, err := s.devices()
	if err != nil {
		return simulator.Config{}, err
	}
	config := simulator.Config{
		Broker: broker, Devices: devices, Version: version, Client: s.Client, Seed: s.Seed,
		Ramp: s.Ramp, Haste: s.Haste, Spread: s.Spread,
		Radio:   simulator.Radio{Rate: s.Radio.Rate, Loss: s.Loss, Roam: s.Roam, Caches: s.Caches},
		Profile: simulator.Profile{Product: s.Product, Rehello: s.Rehello},
		Faults: simulator.Faults{
			FailAt: s.FailAt, PowerLoss: s.Powerloss, Revert: s.Revert,
			Drop: s.Drop, Corrupt: s.Corrupt, NotNow: s.NotNow, Slow: s.Slow,
		},
	}
	if !s.Stay {
		config.Done = settled
	}
	return config, nil
}

// trust is nil for the system's certificates.
func (s *simulateCmd) trust() (*tls.Config, error) {
	if s.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca %s: no certificate in it", s.CA)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func (s *simulateCmd) devices() ([]simulator.Credential, error) {
	var file io.Reader = os.Stdin
	if s.Credentials != "-" {
		opened, err := os.Open(s.Credentials)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		file = opened
	}
	devices, err := simulator.ReadCredentials(file)
	if err != nil {
		return nil, err
	}
	if s.Devices > len(devices) {
		return nil, fmt.Errorf("--devices %d: %s has %d", s.Devices, s.Credentials, len(devices))
	}
	if s.Devices > 0 {
		devices = devices[:s.Devices]
	}
	return s.behind(devices)
}

// behind adds the devices behind the first of devices, which become gateways.
func (s *simulateCmd) behind(devices []simulator.Credential) ([]simulator.Credential, error) {
	if s.Gateways > len(devices) {
		return nil, fmt.Errorf("--gateways %d: there are %d devices", s.Gateways, len(devices))
	}
	for _, gateway := range devices[:max(s.Gateways, 0)] {
		for n := range s.BLE {
			id, err := fleet.ParseDeviceID(fmt.Sprintf("%s-ble-%d", gateway.ID, n+1))
			if err != nil {
				return nil, err
			}
			devices = append(devices, simulator.Credential{ID: id, Gateway: gateway.ID})
		}
	}
	return devices, nil
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
			return nil, err
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

func (s *simulateCmd) write(report simulator.Report) error {
	if s.JSON == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if s.JSON == "-" {
		_, err = os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(s.JSON, text, 0o644) //nolint:gosec // a report for everyone to read
}

// settled reports whether every device is online and runs the target it was named.
func settled(f *simulator.Fleet) bool {
	now := f.Snapshot()
	return now.Online == now.Devices && now.States[simulator.Idle.String()] == now.Devices && f.Verdict(func(id fleet.DeviceID) (simulator.Expectation, bool) {
		status, _ := f.Device(id)
		return simulator.Expectation{Version: status.Target}, !status.Target.IsZero()
	}).OK
}
