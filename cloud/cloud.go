package cloud

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/muster-iot/muster/accounts"
	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/broker"
	"github.com/muster-iot/muster/certificate"
	"github.com/muster-iot/muster/console"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/history"
	"github.com/muster-iot/muster/job"
	"github.com/muster-iot/muster/notify"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/image/bucket"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/rehearsal"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/ota/remaining"
	"github.com/muster-iot/muster/ota/rollout"
	"github.com/muster-iot/muster/peers"
	"github.com/muster-iot/muster/quota"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/roaming"
	"github.com/muster-iot/muster/session"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/disk"
	"github.com/muster-iot/muster/store/grant"
)

// shutdownTimeout bounds a clean shutdown; connections that are open after it are cut.
const shutdownTimeout = 10 * time.Second

// Cloud is one server. New makes it, Run serves; it is used once.
type Cloud struct {
	config       Config
	log          *slog.Logger
	folder       folder
	disk         *disk.Watch
	images       image.Store
	bucket       *bucket.Store // images too; nil without one
	capacity     capacity
	quotas       *quota.Quotas
	grants       *grant.Grants // nil unless the store is shared
	pace         *pace.Pace
	store        *store.Store
	broker       *broker.Broker
	audit        *audit.Log
	ota          *ota.Service
	releases     *release.Service
	rollouts     *rollout.Service
	remaining    *remaining.Service
	history      *history.History
	rehearsals   *rehearsal.Service
	registry     *registry.Registry
	jobs         *job.Service
	filters      *filter.Service
	accounts     *accounts.Accounts
	activity     *activity.Activity
	sessions     *session.Sessions
	notify       *notify.Service
	peers        *peers.Peers
	console      *console.Console // nil without HTTP
	http         *http.Server
	listener     net.Listener
	metrics      *metricsServer     // nil without a listener of its own
	certificates []*certificate.Set // of the listeners with TLS
	addresses    Addresses
	draining     draining
	base         context.Context    //nolint:containedctx // of work that no request asks for
	cancel       context.CancelFunc // ends base
}

// New opens the store and listens everywhere; nothing is served before Run. On an error
// nothing is left open. ctx bounds the start only.
func New(ctx context.Context, config Config) (*Cloud, error) {
	c := unopened(config)
	if err := c.open(ctx); err != nil {
		_ = c.close() // the first error matters more
		return nil, err
	}
	return c, nil
}

// unopened returns a server that has opened nothing yet. close may be called from then on.
func unopened(config Config) *Cloud {
	c := &Cloud{config: config, log: config.Logger, draining: draining{hurry: make(chan struct{})}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

// open starts the parts in the order in which they need each other.
func (c *Cloud) open(ctx context.Context) error {
	if err := c.takeFolder(ctx); err != nil {
		return err
	}
	if err := c.build(ctx); err != nil {
		return err
	}
	if c.config.Node.ServesOperators() {
		if err := errors.Join(c.registry.Resume(ctx), c.jobs.Resume(ctx)); err != nil { // before anyone can change a device
			return err
		}
	}
	if err := errors.Join(c.listenMetrics(), c.listen()); err != nil {
		return err
	}
	if !c.config.Node.ServesOperators() {
		return nil
	}
	return c.bootstrap(ctx) // last: a start that fails must not use up the one report of a password
}

// compose makes the parts. Calls go both ways: sessions call ota and roaming, which call back
// when something happens to a device. Therefore sessions are made first and get those two last;
// nothing runs before compose returns.
func (c *Cloud) compose(images image.Store) error {
	base, cancel := context.WithCancel(context.Background())
	c.base, c.cancel = base, cancel
	c.capacity = fit(c.config, openFiles(), c.log)
	c.quotas = c.newQuotas()
	c.activity = activity.New(activity.Config{
		Messages: c.store.Messages, Teams: c.store.Teams, Log: c.log,
		Exhausted: func(d *fleet.Device) bool { return c.ota.Exhausted(d) },
		Published: func(e event.Event) { c.peers.Publish(e) }, Listening: func(team fleet.TeamID) func() { return c.peers.Listen(team) },
		Greeted: c.greeted, Alerted: c.alerted, Ended: c.ended,
		Raised: func(team fleet.TeamID) { c.notify.Wake(team) },
	})
	c.sessions = session.New(base, session.Config{
		Devices: c.store.Devices, Catalogs: c.store.Catalogs, Messages: c.store.Messages, Shared: c.store, Activity: c.activity,
		MQTT: c.config.MQTT, Quota: c.quotas.Connections, MaxAge: c.config.OTA.MaxSessionAge, Log: c.log,
	})
	c.audit = audit.New(c.store.Messages, c.log)
	c.audit.Keep(c.folder.unaudited)
	c.audit.KeepBegun(c.folder.begun, c.folder.left)
	c.history = history.New(history.Config{
		Timelines: c.store.Timelines, Catalogs: c.store.Catalogs, Teams: c.store.Teams, Index: c.store.Index, Clock: c.store.Clock, Log: c.log,
		Leads: c.leads(leaseHistory), Tally: c.activity.Tally,
	})
	var err error
	if c.notify, err = c.newNotify(); err != nil {
		return err
	}
	c.composeReleases(base, images)
	c.shareLimits()
	c.peers = c.newPeers()
	c.accounts = accounts.New(accounts.Config{Teams: c.store.Teams, Audit: c.audit, Clock: c.store.Clock, Failed: c.peers.FailedSignIn, HashMemory: c.config.HashMemory})
	c.registry = registry.New(registry.Config{
		Devices: c.store.Devices, Index: c.store.Index, Catalogs: c.store.Catalogs, Teams: c.store.Teams, Messages: c.store.Messages,
		Journal: c.store.Journal, Fences: c.fences(), Audit: c.audit, Quota: c.quotas.Devices, Images: images, Forecast: c.releases, Live: c.sessions, Log: c.log, Clock: c.store.Clock,
	})
	c.jobs = job.New(job.Config{
		Jobs: c.store.Jobs, Teams: c.store.Teams, Registry: c.registry, Releases: c.releases, Audit: c.audit, Announce: c.activity.Publish,
		Clock: c.store.Clock, Log: c.log, Leads: c.leads(leaseJobs), Alive: c.store.Nodes().Alive,
	})
	c.filters = filter.New(filter.Config{
		Registry: c.registry, Releases: c.releases, Rollouts: c.rollouts, Remaining: c.remaining, Saved: c.store.Filters, Audit: c.audit,
	})
	c.broker = broker.New(broker.Config{
		MaxConnections: c.capacity.mqtt + c.capacity.mqtt/turnover + 1, MaxPending: c.capacity.pending, MaxPendingPer: c.config.MQTT.MaxPendingPerAddress,
		MaxKeepAlive: c.config.MQTT.MaxKeepalive, ProxyFrom: c.config.MQTT.ProxyFrom,
		ConnectBurst: c.config.ConnectBurst, RivalBurst: c.config.RivalBurst,
	}, c.sessions, c.log)
	c.store.Nodes().Offer(c.takes)

	c.sessions.Use(c.ota, roaming.New(roaming.Config{
		Devices: c.store.Devices, Index: c.store.Index, Catalogs: c.store.Catalogs, Messages: c.store.Messages,
		Audit: c.audit, Quota: c.quotas.Devices, Live: c.sessions, Log: c.log,
	}))
	return nil
}

func (c *Cloud) listen() error {
	if c.config.MQTT.Addr != "" {
		addr, err := c.broker.ListenTCP(c.config.MQTT.Addr)
		if err != nil {
			return fmt.Errorf("mqtt: %w", err)
		}
		c.addresses.MQTT = addr.String()
	}
	if c.config.MQTTS.Addr != "" {
		if err := c.listenTLS(); err != nil {
			return err
		}
	}
	if c.config.HTTP.Addr == "" {
		return nil
	}
	return c.listenHTTP()
}

// Addresses are where c listens.
func (c *Cloud) Addresses() Addresses { return c.addresses }

// Run serves until ctx ends, then ends every connection, closes the store and returns nil. If other servers
// can take its devices, it first ends their connections over the time of Node.Drain, unless Hurry is called.
// It returns an error when serving failed or the shutdown took too long.
func (c *Cloud) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	base := c.base
	c.start(base, &tasks)
	failed := make(chan error, 2)
	tasks.Go(func() { c.metrics.serve(failed) })
	if c.http != nil {
		tasks.Go(func() {
			if err := c.http.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("http: %w", err)
			}
		})
	}
	err := c.ready()
	if err == nil {
		err = c.until(ctx, failed)
	}
	c.log.Info("stopping")
	err = errors.Join(err, c.close())
	tasks.Wait()
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
		errs = append(errs, c.closeHTTP(ctx))
	}
	c.metrics.close()
	if c.listener != nil {
		_ = c.listener.Close() // closed already where it was served
	}
	if c.accounts != nil {
		c.accounts.RecordFailures(ctx)
	}
	if c.history != nil {
		c.history.Record(ctx)
	}
	if c.sessions != nil {
		c.sessions.SaveGone(ctx)
	}
	_ = c.grants.Leave(ctx) // else others wait until this server is dead
	if c.cancel != nil {
		c.cancel()
	}
	if c.registry != nil {
		if err := c.registry.Settle(ctx); err != nil {
			c.log.Error("a batch that was answered is still in the journal: the next start repeats it", "err", err)
		}
	}
	if c.bucket != nil {
		c.bucket.Close()
	}
	if c.store != nil {
		c.store.Close()
	}
	errs = append(errs, c.leaveFolder())
	return errors.Join(errs...)
}
