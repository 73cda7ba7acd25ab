package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/muster-iot/muster/certificate"
	"github.com/muster-iot/muster/cli"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
)

type serveCmd struct {
	Config        string  `help:"Configuration file; configs/muster.yaml lists every key." type:"existingfile" placeholder:"FILE"`
	MQTT          *string `name:"mqtt" help:"MQTT address without TLS (default 127.0.0.1:1883; port 0 picks a free one)." placeholder:"ADDR"`
	MQTTS         *string `name:"mqtts" help:"MQTT address with TLS, usually :8883; needs a certificate." placeholder:"ADDR"`
	TLSCert       *string `name:"tls-cert" help:"Certificate for --mqtts, in PEM; several, separated by commas, are chosen from by host name." placeholder:"FILE"`
	TLSKey        *string `name:"tls-key" help:"Private key of the certificate, in PEM; several in the order of the certificates." placeholder:"FILE"`
	HTTP          *string `name:"http" help:"HTTP address of the REST API, the console and MQTT over WebSocket (default 127.0.0.1:8080)." placeholder:"ADDR"`
	HTTPTLSCert   *string `name:"http-tls-cert" help:"Certificate to serve HTTPS with, as in --tls-cert." placeholder:"FILE"`
	HTTPTLSKey    *string `name:"http-tls-key" help:"Private key of that certificate, in PEM." placeholder:"FILE"`
	Data          *string `help:"Folder for images and for the redis-server that Muster starts (default data)." placeholder:"DIR"`
	Redis         *string `help:"Use this Redis instead of starting one: a server, the master of Sentinels (?master_name=NAME&addr=...), or a Cluster (?addr=...)." placeholder:"URL"`
	Images        *string `help:"Keep images in this S3 bucket, s3://BUCKET/PREFIX?endpoint=URL&region=NAME, with the keys of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY." placeholder:"URL"`
	Join          bool    `help:"Share the Redis of --redis with other servers started with --join."`
	Role          *string `help:"What this server does among those that share a Redis: all, devices (MQTT only) or operators (API, console, jobs; no MQTT); needs --join (default all)." placeholder:"ROLE"`
	Drain         *string `help:"How long SIGTERM takes to move the devices to the other servers; 0 ends all connections at once (default 60s)." placeholder:"TIME"`
	AckReplicas   *string `help:"Acknowledge a write once so many replicas of its Redis master have it (default 0)." placeholder:"COUNT"`
	Ephemeral     bool    `help:"Keep the fleet in memory only; it is lost on exit."`
	ReadyFile     *string `help:"Write the addresses to this file as JSON once the server is ready." placeholder:"FILE"`
	OwnerEmail    *string `help:"Email of the owner, created on the first start (default owner@localhost)." placeholder:"EMAIL"`
	OwnerPassword *string `help:"Password of the owner; safer in MUSTER_OWNER_PASSWORD. If missing, one is generated and printed once." placeholder:"PASSWORD"`
	LogLevel      *string `help:"Log level: debug, info, warn or error (default info)." placeholder:"LEVEL"`
	LogFormat     *string `help:"Log format: text or json (default text)." placeholder:"FORMAT"`
	Check         bool    `help:"Check the configuration, print it, and exit."`
}

// Run serves until ctx ends.
func (s *serveCmd) Run(ctx context.Context) error {
	config, err := s.load()
	if err != nil {
		return err
	}
	if s.Check {
		if err := checkCertificates(config); err != nil {
			return err
		}
		fmt.Print(config)
		return nil
	}
	hangups := make(chan os.Signal, 1) // before the start: a SIGHUP must not end the process at any time
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	server, err := cloud.New(ctx, cloud.Config{
		Config: config, Version: version(), Logger: newLogger(config.Log),
		ReportPassword: func(email, password string) {
			fmt.Printf("Sign in as %s with the password %s\nIt is not shown again.\n", email, password)
		},
	})
	if err != nil {
		return s.withCommand(err)
	}
	stops := make(chan os.Signal, 2) // the first ends ctx, too
	signal.Notify(stops, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stops)
	running, end := context.WithCancel(context.WithoutCancel(ctx)) // until Run returns, for whatever reason
	defer end()
	var tasks sync.WaitGroup
	tasks.Go(func() {
		if server.Store().Index.Wait(running) == nil {
			debug.FreeOSMemory() // half of an idle server's memory would be what its start has left
		}
	})
	tasks.Go(func() {
		asked := 0
		for {
			select {
			case <-hangups:
				server.Reload()
			case <-stops:
				if asked++; asked > 1 {
					server.Hurry()
				}
			case <-running.Done():
				return
			}
		}
	})
	err = server.Run(ctx)
	end()
	tasks.Wait()
	return err
}

// checkCertificates reads the certificates that c names.
func checkCertificates(c configs.Config) error {
	var errs []error
	for _, listener := range []struct {
		name        string
		certs, keys []string
	}{{"mqtts", c.MQTTS.TLSCert, c.MQTTS.TLSKey}, {"http", c.HTTP.TLSCert, c.HTTP.TLSKey}} {
		if _, err := certificate.Load(certificate.Pairs(listener.certs, listener.keys)); err != nil {
			errs = append(errs, fmt.Errorf("%[1]s.tls_cert, %[1]s.tls_key: %[2]w", listener.name, err))
		}
	}
	return errors.Join(errs...)
}

// load reads all layers. If the configuration is valid without the flags, the flags are
// misuse.
func (s *serveCmd) load() (configs.Config, error) {
	sources := configs.Sources{File: s.Config, Env: os.Environ(), Flags: s.flags(), Check: checkOwner}
	config, err := configs.Load(sources)
	if err == nil {
		return config, nil
	}
	sources.Flags = nil
	if _, other := configs.Load(sources); other == nil {
		err = cli.Misuse("%s", err)
	}
	return config, err
}

// checkOwner applies the rules for accounts to the owner that the first start creates.
func checkOwner(c configs.Config) error {
	var errs []error
	if _, err := fleet.ParseEmail(c.Owner.Email); err != nil {
		errs = append(errs, fmt.Errorf("owner.email is %.80q: use name@host", c.Owner.Email))
	}
	password := c.Owner.Password.Reveal()
	if password != "" && fleet.CheckPassword(password) != nil {
		errs = append(errs, fmt.Errorf("owner.password has %d bytes: use %d to %d, or leave it out to generate one", len(password), fleet.MinPassword, fleet.MaxPassword))
	}
	return errors.Join(errs...)
}

// flags returns the flags that were given, each with the key it sets.
func (s *serveCmd) flags() []configs.Flag {
	var given []configs.Flag
	for _, f := range []struct {
		name, key string
		value     *string
	}{
		{"--mqtt", "mqtt.addr", s.MQTT},
		{"--mqtts", "mqtts.addr", s.MQTTS},
		{"--tls-cert", "mqtts.tls_cert", s.TLSCert},
		{"--tls-key", "mqtts.tls_key", s.TLSKey},
		{"--http", "http.addr", s.HTTP},
		{"--http-tls-cert", "http.tls_cert", s.HTTPTLSCert},
		{"--http-tls-key", "http.tls_key", s.HTTPTLSKey},
		{"--data", "data", s.Data},
		{"--redis", "redis.url", s.Redis},
		{"--images", "images.url", s.Images},
		{"--ack-replicas", "redis.ack_replicas", s.AckReplicas},
		{"--role", "node.role", s.Role},
		{"--drain", "node.drain", s.Drain},
		{"--ready-file", "ready_file", s.ReadyFile},
		{"--owner-email", "owner.email", s.OwnerEmail},
		{"--owner-password", "owner.password", s.OwnerPassword},
		{"--log-level", "log.level", s.LogLevel},
		{"--log-format", "log.format", s.LogFormat},
	} {
		if f.value != nil {
			given = append(given, configs.Flag{Name: f.name, Key: f.key, Value: *f.value})
		}
	}
	if s.Join {
		given = append(given, configs.Flag{Name: "--join", Key: "node.join", Value: "true"})
	}
	if s.Ephemeral {
		given = append(given, configs.Flag{Name: "--ephemeral", Key: "redis.ephemeral", Value: "true"})
	}
	return given
}

func newLogger(c configs.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
