package cloud

import (
	"context"
	"sync"
	"time"

	"github.com/muster-iot/muster/steady"
)

// The leases: what only one of the servers that share a store does. The others wait until it has died.
const (
	each      = ""          // no lease: every server does it for itself
	operators = "operators" // no lease: every server that serves operators does

	leaseBootstrap     = "bootstrap"     // creates the first team
	leaseReleases      = "releases"      // moves releases on
	leaseJobs          = "jobs"          // carries out jobs
	leaseHistory       = "history"       // samples fleets
	leaseNotifications = "notifications" // sends mail and calls webhooks
	leaseNotices       = "notices"       // raises what concerns the store
	leaseImages        = "images"        // removes images from the bucket
)

// counts are the leases without which a server does a part of the work: it counts what happens here, for the charts,
// and how far releases are, for the limits of their plans.
var counts = map[string]bool{leaseReleases: true, leaseHistory: true}

// loop is what a server does until it ends. One of role configs.RoleDevices does nothing that has a lease but is in
// counts, or that only operators need.
type loop struct {
	name  string
	lease string // which run asks for before each step; each: it needs none
	run   func(context.Context)
}

// loops is all that a server does besides answering.
func (c *Cloud) loops() []loop {
	return []loop{
		{"downloads", each, func(ctx context.Context) { c.ota.Run(ctx, c.log) }},
		{"shared limits", each, c.grants.Run},
		{"sessions", each, c.sessions.Run},
		{"failed sign-ins", operators, c.accounts.WatchFailures},
		{"releases", leaseReleases, c.rollouts.Run},
		{"jobs", leaseJobs, c.jobs.Run},
		{"history", leaseHistory, c.history.Run},
		{"memory", each, func(ctx context.Context) { trim(ctx, c.broker) }},
		{"certificates", each, c.watchCertificates},
		{"notices", leaseNotices, func(ctx context.Context) { c.raiseNotices(ctx, c.store.Notices()) }},
		{"audit log", each, c.audit.Run},
		{"notifications", leaseNotifications, c.notify.Run},
		{"bucket", each, c.runBucket},
		{"images", leaseImages, c.collectImages},
		{"batches of dead servers", operators, c.resumeOthers},
		{"edits of catalogs", each, c.followEdits},
		{"events of other servers", each, c.peers.Run},
		{"disk", each, func(ctx context.Context) {
			c.disk.Run(ctx, func(text string) { c.activity.RaiseInAllTeams(ctx, "disk_low", text) })
		}},
	}
}

// start runs all loops in tasks, until ctx ends.
func (c *Cloud) start(ctx context.Context, tasks *sync.WaitGroup) {
	for _, l := range c.loops() {
		switch {
		case l.lease == each:
		case !c.config.Node.ServesOperators() && !counts[l.lease]:
			continue
		case l.lease != operators:
			c.store.Nodes().Holds(l.lease) // asks for it, so that one server has it soon
		}
		tasks.Go(func() { l.run(ctx) })
	}
}

// leads returns whether this server holds a lease; nil if it does not share its store.
func (c *Cloud) leads(lease string) func() bool {
	nodes := c.store.Nodes()
	if nodes == nil {
		return nil
	}
	return func() bool { return nodes.Holds(lease) }
}

// leaseEvery is the time between two looks for a lease.
const leaseEvery = time.Second / 4

// awaitLease waits until this server holds a lease. It returns false if ctx ends before.
func (c *Cloud) awaitLease(ctx context.Context, lease string) bool {
	for !c.store.Nodes().Holds(lease) {
		if !steady.Sleep(ctx, leaseEvery) {
			return false
		}
	}
	return true
}
