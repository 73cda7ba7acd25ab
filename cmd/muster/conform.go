package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/muster-iot/muster/conform"
	"github.com/muster-iot/muster/fleet"
)

type conformCmd struct {
	MQTT     string  `name:"mqtt" placeholder:"ADDR" default:"127.0.0.1:1883" help:"Where the device connects; use :1883 to be reached from other machines."`
	TLSCert  string  `name:"tls-cert" placeholder:"FILE" help:"Serve MQTT over TLS with this certificate, PEM."`
	TLSKey   string  `name:"tls-key" placeholder:"FILE" help:"Its private key, PEM."`
	Device   string  `placeholder:"ID" help:"The device under test; the first that connects when left out."`
	Secret   string  `placeholder:"SECRET" help:"The secret it must use; any when left out." env:"MUSTER_DEVICE_SECRET"`
	Image    string  `placeholder:"FILE" type:"existingfile" help:"A real image for this device, for all cases that end in a restart. Without it images are made up: only for firmware that stores anything."`
	Version  string  `placeholder:"VERSION" help:"The version that the device reports when it runs --image."`
	Only     string  `placeholder:"PREFIX" help:"Run only the cases whose names begin with this, as in offer/."`
	Slow     bool    `help:"Also run the cases that take more than a minute."`
	Patience float64 `placeholder:"FACTOR" default:"1" help:"Multiply the time the device has for each answer."`
	JUnit    string  `name:"junit" placeholder:"FILE" help:"Write the results as JUnit XML here."`
	List     bool    `help:"List the cases and exit."`
}

// errNotConforming ends a run in which the device broke a must. What it broke was printed.
var errNotConforming = errors.New("the device does not keep the protocol")

// Run tests one device and fails when it broke a rule that is a must.
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
		return wrongUse("no case begins with %q: --list names them", c.Only)
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
			return config, wrongUse("--device: %v", err)
		}
		config.Device = id
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return config, wrongUse("--tls-cert and --tls-key go together")
	}
	if c.TLSCert != "" {
		certificate, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return config, err
		}
		config.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	if (c.Image == "") != (c.Version == "") {
		return config, wrongUse("--image and --version go together")
	}
	if c.Image != "" {
		var err error
		if config.Image, err = os.ReadFile(c.Image); err != nil {
			return config, err
		}
		if config.Version, err = fleet.ParseVersion(c.Version); err != nil {
			return config, wrongUse("--version: %v", err)
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
