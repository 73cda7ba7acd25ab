package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/muster-iot/muster/cli"
	"github.com/muster-iot/muster/conform"
	"github.com/muster-iot/muster/fleet"
)

type conformCmd struct {
	MQTT     string  `name:"mqtt" placeholder:"ADDR" default:"127.0.0.1:1883" help:"Address to listen on for the device; use :1883 to accept connections from other machines."`
	TLSCert  string  `name:"tls-cert" placeholder:"FILE" help:"Serve MQTT over TLS with this certificate, in PEM."`
	TLSKey   string  `name:"tls-key" placeholder:"FILE" help:"Private key of the certificate, in PEM."`
	Device   string  `placeholder:"ID" help:"Device under test; by default the first that connects."`
	Secret   string  `placeholder:"SECRET" help:"Secret the device must use; by default any." env:"MUSTER_DEVICE_SECRET"`
	Image    string  `placeholder:"FILE" type:"existingfile" help:"A real image for this device, used in all cases that end in a restart. Without it images are random data, which suits only firmware that does not verify or run them."`
	Version  string  `placeholder:"VERSION" help:"Version that the device reports when it runs --image."`
	Only     string  `placeholder:"PREFIX" help:"Run only cases whose names begin with this, as in offer/."`
	Slow     bool    `help:"Also run the cases that take more than a minute."`
	Patience float64 `placeholder:"FACTOR" default:"1" help:"Multiply the time that the device has for each answer."`
	JUnit    string  `name:"junit" placeholder:"FILE" help:"Write the results to this file as JUnit XML."`
	List     bool    `help:"List the cases and exit."`
}

// errNotConforming ends a run in which the device violated a requirement. The violations
// have been printed already.
var errNotConforming = errors.New("the device violates the protocol")

// Run tests one device and fails if it violates a requirement.
func (c *conformCmd) Run(ctx context.Context) error {
	if c.List {
		for _, one := range conform.Cases() {
			fmt.Printf("%-44s %-7s docs/protocol.md#%s\n", one.Name, one.Level, one.Section)
		}
		return nil
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	bench, err := conform.New(config)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "waiting for the device at %s\n", bench.Addr())
	report, err := bench.Run(ctx, conform.Cases(), func(r conform.Result) { r.WriteLine(os.Stdout) })
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(err, bench.Close(end))
	if err != nil {
		return err
	}
	report.WriteSummary(os.Stdout)
	if c.JUnit != "" {
		if err := writeJUnit(c.JUnit, report); err != nil {
			return err
		}
	}
	if len(report.Results) == 0 {
		return cli.Misuse("no case begins with %q: --list shows them all", c.Only)
	}
	if report.Broken(conform.Must) > 0 {
		return errNotConforming
	}
	return nil
}

func (c *conformCmd) config() (conform.Config, error) {
	config := conform.Config{Addr: c.MQTT, Secret: c.Secret, Only: c.Only, Slow: c.Slow, Patience: c.Patience}
	if c.Device != "" {
		id, err := fleet.ParseDeviceID(c.Device)
		if err != nil {
			return config, cli.Misuse("--device: %v", err)
		}
		config.Device = id
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return config, cli.Misuse("--tls-cert and --tls-key go together")
	}
	if c.TLSCert != "" {
		certificate, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return config, err
		}
		config.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	if (c.Image == "") != (c.Version == "") {
		return config, cli.Misuse("--image and --version go together")
	}
	if c.Image != "" {
		var err error
		if config.Image, err = os.ReadFile(c.Image); err != nil {
			return config, err
		}
		if config.Version, err = fleet.ParseVersion(c.Version); err != nil {
			return config, cli.Misuse("--version: %v", err)
		}
	}
	return config, nil
}

func writeJUnit(name string, report conform.Report) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(report.WriteJUnit(file), file.Close())
}
