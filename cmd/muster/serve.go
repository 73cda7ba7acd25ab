package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
)

type serveCmd struct {
	Config        string  `help:"Configuration file; configs/muster.yaml has every key." type:"existingfile" placeholder:"FILE"`
	MQTT          *string `name:"mqtt" help:"Address of MQTT without TLS (default 127.0.0.1:1883; port 0 takes a free one)." placeholder:"ADDR"`
	MQTTS         *string `name:"mqtts" help:"Address of MQTT with TLS, usually :8883; needs a certificate." placeholder:"ADDR"`
	TLSCert       *string `name:"tls-cert" help:"Certificate for --mqtts, PEM." placeholder:"FILE"`
	TLSKey        *string `name:"tls-key" help:"Its private key, PEM." placeholder:"FILE"`
	HTTP          *string `name:"http" help:"Address of REST and WebSocket (default 127.0.0.1:8080)." placeholder:"ADDR"`
	Data          *string `help:"Folder of images and of the own redis-server (default data)." placeholder:"DIR"`
	Redis         *string `help:"Use this Redis instead of an own one." placeholder:"URL"`
	Ephemeral     bool    `help:"Keep the fleet in memory; it is gone at exit."`
	ReadyFile     *string `help:"Write the addresses here as JSON once everything listens." placeholder:"FILE"`
	OwnerEmail    *string `help:"First user of an empty store (default owner@localhost)." placeholder:"EMAIL"`
	OwnerPassword *string `help:"Their password; better as MUSTER_OWNER_PASSWORD. Made and printed once when absent." placeholder:"PASSWORD"`
	LogLevel      *string `help:"debug, info, warn or error (default info)." placeholder:"LEVEL"`
	LogFormat     *string `help:"text or json (default text)." placeholder:"FORMAT"`
	Check         bool    `help:"Read the whole configuration, say what is wrong, and end."`
}

// Run serves until ctx ends.
func (s *serveCmd) Run(ctx context.Context) error {
	config, err := s.load()
	if err != nil {
		return err
	}
	if s.Check {
		if config.MQTTS.Addr != "" {
			if _, err := tls.LoadX509KeyPair(config.MQTTS.TLSCert, config.MQTTS.TLSKey); err != nil {
				return fmt.Errorf("mqtts.tls_cert, mqtts.tls_key: %w", err)
			}
		}
		fmt.Print(config)
		return nil
	}
	c := cloudConfig(config)
	c.Version, c.Log = version(), newLogger(config.Log)
	c.TellPassword = func(email, password string) {
		fmt.Printf("The owner %s signs in with the password %s\nIt is not shown again.\n", email, password)
	}
	server, err := cloud.New(ctx, c)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// load reads all layers. What holds without the flags is wrong use with them.
func (s *serveCmd) load() (configs.Config, error) {
	sources := configs.Sources{File: s.Config, Env: os.Environ(), Flags: s.flags(), Check: checkOwner}
	config, err := configs.Load(sources)
	if err == nil {
		return config, nil
	}
	sources.Flags = nil
	if _, other := configs.Load(sources); other == nil {
		err = wrongUse("%s", err)
	}
	return config, err
}

// checkOwner holds the owner that the first start creates to the rules of all accounts.
func checkOwner(c configs.Config) error {
	var errs []error
	if _, err := fleet.ParseEmail(c.Owner.Email); err != nil {
		errs = append(errs, fmt.Errorf("owner.email is %.80q: use name@host", c.Owner.Email))
	}
	password := c.Owner.Password.Reveal()
	if password != "" && fleet.CheckPassword(password) != nil {
		errs = append(errs, fmt.Errorf("owner.password has %d bytes: use %d to %d, or none to have one made", len(password), fleet.MinPassword, fleet.MaxPassword))
	}
	return errors.Join(errs...)
}

// flags are those given on the command line, with the key each sets.
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
		{"--data", "data", s.Data},
		{"--redis", "redis.url", s.Redis},
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
	if s.Ephemeral {
		given = append(given, configs.Flag{Name: "--ephemeral", Key: "redis.ephemeral", Value: "true"})
	}
	return given
}

func cloudConfig(c configs.Config) cloud.Config {
	return cloud.Config{
		MQTT: c.MQTT.Addr, MQTTS: c.MQTTS.Addr, HTTP: c.HTTP.Addr,
		TLSCert: c.MQTTS.TLSCert, TLSKey: c.MQTTS.TLSKey,
		Data: c.Data, Redis: string(c.Redis.URL), Ephemeral: c.Redis.Ephemeral, ReadyFile: c.ReadyFile,
		OwnerEmail: c.Owner.Email, OwnerPassword: string(c.Owner.Password),
		MaxConnections: c.MQTT.MaxConnections, MaxKeepAlive: c.MQTT.MaxKeepalive, MaxSessionAge: c.OTA.MaxSessionAge,
		MaxUpdates: c.OTA.MaxUpdates, GatewayUpdates: c.OTA.GatewayUpdates, Rate: int64(c.OTA.Rate), ChunkCache: int64(c.OTA.Cache),
		MaxImage: int64(c.OTA.MaxImage), MaxAttempts: c.OTA.Attempts, CoolDown: c.OTA.CoolDown,
	}
}

func newLogger(c configs.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
