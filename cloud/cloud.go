package cloud

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/muster-iot/muster/accounts"
	"github.com/muster-iot/muster/api/nrf"
	"github.com/muster-iot/muster/api/particle"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/broker"
	"github.com/muster-iot/muster/console"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/store"
)

// shutdownTimeout bounds a clean end; what has not finished by then is cut off.
const shutdownTimeout = 10 * time.Second

// Cloud is one server. New makes it, Run serves; it is used once.
type Cloud struct {
	config    Config
	log       *slog.Logger
	folder    folder
	store     *store.Store
	broker    *broker.Broker
	audit     *audit.Log
	ota       *ota.Service
	releases  *release.Service
	registry  *registry.Registry
	accounts  *accounts.Accounts
	conductor *conductor
	console   *console.Console // nil without HTTP
	http      *http.Server
	listener  net.Listener
	addresses Addresses
	cancel    context.CancelFunc // ends the base context of what no request carries
}

// New opens the store and listens everywhere; nothing is served before Run. On an error
// nothing is left open. ctx bounds the start only.
func New(ctx context.Context, config Config) (*Cloud, error) {
	c := unopened(config)
	if err := c.open(ctx); err != nil {
		_ = c.close() // what went wrong first tells more
		return nil, err
	}
	return c, nil
}

// unopened is a server that has opened nothing yet; it may be closed at any moment.
func unopened(config Config) *Cloud {
	c := &Cloud{config: config, log: config.Log}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

// open is the start, in the order in which rooms need each other.
func (c *Cloud) open(ctx context.Context) error {
	if err := c.takeFolder(ctx); err != nil {
		return err
	}
	if err := c.build(ctx); err != nil {
		return err
	}
	if err := c.registry.Resume(ctx); err != nil { // before anyone can change a device
		return err
	}
	if err := c.listen(); err != nil {
		return err
	}
	return c.bootstrap(ctx) // last: a password is told once, so not by a start that fails
}

// build opens what the folder keeps, and makes the rooms.
func (c *Cloud) build(ctx context.Context) error {
	var err error
	if c.store, err = c.openStore(ctx); err != nil { // it waits for the Redis of a server that was killed
		return err
	}
	images, err := image.OpenDirectory(filepath.Join(c.config.Data, "images"))
	if err != nil {
		return err
	}
	c.assemble(images)
	return nil
}

func (c *Cloud) openStore(ctx context.Context) (*store.Store, error) {
	options := store.Options{URL: c.config.Redis, Dir: filepath.Join(c.config.Data, "redis"), Log: c.log}
	switch {
	case c.config.Ephemeral:
		c.log.Warn("the fleet is kept in memory: it is gone at exit")
		return store.Ephemeral(ctx, options)
	case c.config.Redis != "":
		return store.Open(ctx, options)
	}
	return store.Serve(ctx, options)
}

// assemble makes the rooms and introduces them to each other.
func (c *Cloud) assemble(images image.Store) {
	base, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.conductor = &conductor{
		handshake: handshake.New(handshake.Config{}, c.store.Devices, c.store.Catalogs),
		devices:   c.store.Devices, messages: c.store.Messages,
		log: c.log, maxAge: cmp.Or(c.config.MaxSessionAge, defaultSessionAge), base: base,
		rechecks: newRechecks(), events: newEvents(), tallies: newTallies(), sessions: make(map[fleet.DeviceID]*session),
	}
	c.audit = audit.New(c.store.Messages, c.log)
	c.ota = ota.New(ota.Config{
		MaxUpdates: c.config.MaxUpdates, MaxBehind: c.config.GatewayUpdates, MaxAttempts: c.config.MaxAttempts, CoolDown: c.config.CoolDown,
		Ready: c.conductor.slot, Ended: c.conductor.ended,
	}, c.store.Devices, c.store.Catalogs, image.NewChunker(images, c.config.ChunkCache, c.config.Rate))
	c.releases = release.New(release.Config{
		MaxImage: c.config.MaxImage, Devices: c.store.Devices, Catalogs: c.store.Catalogs, Teams: c.store.Teams, Index: c.store.Index,
		Images: images, OTA: c.ota, Audit: c.audit, Announce: c.conductor.Announce, Changed: c.conductor.changed,
	})
	c.conductor.ota = c.ota
	c.accounts = accounts.New(accounts.Config{Teams: c.store.Teams, Audit: c.audit})
	c.registry = registry.New(registry.Config{
		Devices: c.store.Devices, Index: c.store.Index, Catalogs: c.store.Catalogs, Teams: c.store.Teams, Messages: c.store.Messages,
		Journal: c.store.Journal, Audit: c.audit, Images: images, Forecast: c.releases, Live: c.conductor, Log: c.log,
	})
	c.conductor.registry = c.registry
	c.broker = broker.New(broker.Config{
		MaxConnections: c.config.MaxConnections, MaxKeepAlive: c.config.MaxKeepAlive,
	}, c.conductor, c.log)
}

func (c *Cloud) listen() error {
	if c.config.MQTT != "" {
		addr, err := c.broker.ListenTCP(c.config.MQTT)
		if err != nil {
			return fmt.Errorf("mqtt: %w", err)
		}
		c.addresses.MQTT = addr.String()
	}
	if c.config.MQTTS != "" {
		certificate, err := tls.LoadX509KeyPair(c.config.TLSCert, c.config.TLSKey)
		if err != nil {
			return fmt.Errorf("mqtts: %w", err)
		}
		addr, err := c.broker.ListenTLS(c.config.MQTTS, &tls.Config{
			Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
		})
		if err != nil {
			return fmt.Errorf("mqtts: %w", err)
		}
		c.addresses.MQTTS = addr.String()
	}
	if c.config.HTTP == "" {
		return nil
	}
	listener, err := net.Listen("tcp", c.config.HTTP)
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	c.listener = listener
	c.addresses.HTTP = listener.Addr().String()
	c.addresses.WebSocket = "ws://" + c.addresses.HTTP + broker.WebSocketPath
	c.console = console.New(console.Config{
		MQTT: c.addresses.MQTT, MaxImage: c.config.MaxImage,
		Accounts: c.accounts, Registry: c.registry, Releases: c.releases, Live: watch{c.conductor.events, c.conductor.tallies}, Log: c.log,
	})
	operations := rest.New(rest.Config{
		Version: c.config.Version, MaxImage: c.config.MaxImage, MQTT: c.addresses.MQTT,
	}, rest.Domain{
		Accounts: c.accounts, Registry: c.registry, Releases: c.releases, Events: c.conductor.events, Repeats: c.store.Repeats,
	}, c.log)
	c.http = &http.Server{
		Handler:           c.serveMux(operations.Handler(particle.Tables(operations), nrf.Tables(operations)), c.console),
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	c.http.RegisterOnShutdown(c.conductor.events.close) // or event streams would never end
	return nil
}

// Addresses are where c listens.
func (c *Cloud) Addresses() Addresses { return c.addresses }

// Run serves until ctx ends, then ends every connection and the store, and returns nil.
// It returns an error when serving failed or the end took too long.
func (c *Cloud) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	base := c.conductor.base
	tasks.Go(func() { c.ota.Run(base, c.log) })
	tasks.Go(func() { c.conductor.refresh(base) })
	tasks.Go(func() {
		c.conductor.rechecks.run(base, func(id fleet.DeviceID, at ota.Occasion) { c.conductor.recheck(base, id, at) })
	})
	tasks.Go(func() { trim(base, c.broker) })
	failed := make(chan error, 1)
	if c.http != nil {
		tasks.Go(func() { c.console.Watch(base) })
		tasks.Go(func() {
			if err := c.http.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("http: %w", err)
			}
		})
	}
	err := c.ready()
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	c.log.Info("stopping")
	err = errors.Join(err, c.close())
	tasks.Wait()
	c.conductor.runners.Wait()
	return err
}

// close ends everything, in the opposite order of open.
func (c *Cloud) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	var errs []error
	if c.broker != nil { // first: hijacked WebSockets are not http's to end
		errs = append(errs, c.broker.Shutdown(ctx))
	}
	if c.http != nil {
		errs = append(errs, c.http.Shutdown(ctx))
	}
	if c.listener != nil {
		_ = c.listener.Close() // closed already where it was served
	}
	if c.cancel != nil {
		c.cancel()
	}
	if c.store != nil {
		c.store.Close()
	}
	errs = append(errs, c.leaveFolder())
	return errors.Join(errs...)
}
