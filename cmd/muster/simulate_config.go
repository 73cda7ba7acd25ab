package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"github.com/muster-iot/muster/cli"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// chanceOrAll is a chance whose flag may come without a value, which means always.
type chanceOrAll struct{ simulator.Chance }

// Decode reads the percentage, if there is one before the next flag.
func (c *chanceOrAll) Decode(at *kong.DecodeContext) error {
	next := at.Scan.Peek()
	alone := next.IsEOL() || next.Type != kong.FlagValueToken && next.InferredType().IsAny(kong.FlagToken, kong.ShortFlagToken)
	if alone {
		c.Chance = 1
		return nil
	}
	var text string
	if err := at.Scan.PopValueInto("percentage", &text); err != nil {
		return err
	}
	return c.UnmarshalText([]byte(text))
}

// config converts the flags.
func (s *simulateCmd) config() (simulator.Config, error) {
	if err := s.check(); err != nil {
		return simulator.Config{}, err
	}
	broker, err := mqttlite.ParseBroker(s.Broker)
	if err != nil {
		return simulator.Config{}, cli.Misuse("--broker: %s", err)
	}
	if broker.TLS, err = s.trust(); err != nil {
		return simulator.Config{}, err
	}
	version, err := fleet.ParseVersion(s.Version)
	if err != nil {
		return simulator.Config{}, cli.Misuse("--version: %s", err)
	}
	devices, err := s.devices()
	if err != nil {
		return simulator.Config{}, err
	}
	return simulator.Config{
		Broker: broker, Devices: devices, Version: version, Client: s.Client, Seed: s.Seed,
		Ramp: s.Ramp, Haste: s.Haste, Spread: s.Spread,
		Radio:   simulator.Radio{Rate: s.Radio.Rate, Loss: float64(s.Loss), Roam: s.Roam, Caches: s.Caches},
		Profile: simulator.Profile{Product: s.Product, Rehello: s.Rehello},
		Faults: simulator.Faults{
			FailAt: s.FailAt, PowerLoss: s.Powerloss, Revert: s.Revert, Breaks: s.Breaks,
			Drop: s.Drop, Corrupt: s.Corrupt.Chance, NotNow: s.NotNow, Slow: s.Slow,
		},
	}, nil
}

// check rejects numbers out of range.
func (s *simulateCmd) check() error {
	const minHaste, maxHaste = 0.001, 1e6
	const interval = "a time such as 30s, or 0 for never"
	for _, flag := range []struct {
		name  string
		value any
		fine  bool
		use   string
	}{
		{"devices", s.Devices, s.Devices >= 0, "1 or more, or 0 for all"},
		{"ramp", s.Ramp, s.Ramp >= 0, "a number above 0, or 0 for all at once"},
		{"for", s.For, s.For > 0, "a time such as 5m"},
		{"rehello", s.Rehello, s.Rehello >= 0, interval},
		{"haste", s.Haste, s.Haste >= minHaste && s.Haste <= maxHaste, fmt.Sprintf("a number from %v to %.0f", minHaste, maxHaste)},
		{"gateways", s.Gateways, s.Gateways >= 0, "0 or more"},
		{"ble", s.BLE, s.BLE >= 0, "0 or more"},
		{"roam", s.Roam, s.Roam >= 0, interval},
	} {
		if !flag.fine {
			return cli.Misuse("--%s %v: use %s", flag.name, flag.value, flag.use)
		}
	}
	return nil
}

// trust returns the TLS settings for --ca, nil for the system's certificates.
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
		return nil, fmt.Errorf("--ca %s contains no certificate", s.CA)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// devices reads the devices of the file and adds those behind gateways. Having none is
// misuse.
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
	switch {
	case len(devices) == 0:
		return nil, cli.Misuse("--credentials %s contains no device with a secret", s.Credentials)
	case s.Devices > len(devices):
		return nil, cli.Misuse("--devices %d: %s has only %d", s.Devices, s.Credentials, len(devices))
	}
	if s.Devices > 0 {
		devices = devices[:s.Devices]
	}
	return s.behind(devices)
}

// behind makes the first devices gateways and adds the devices behind them.
func (s *simulateCmd) behind(devices []simulator.Credential) ([]simulator.Credential, error) {
	if s.Gateways > len(devices) {
		return nil, cli.Misuse("--gateways %d: there are only %d devices", s.Gateways, len(devices))
	}
	for _, gateway := range devices[:s.Gateways] {
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
