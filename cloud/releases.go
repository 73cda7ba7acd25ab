package cloud

import (
	"context"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/rehearsal"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/ota/remaining"
	"github.com/muster-iot/muster/ota/rollout"
)

// composeReleases makes the parts that update devices and release firmware, once the ones they
// need are made. What they do later on ends with base.
func (c *Cloud) composeReleases(base context.Context, images image.Store) {
	limits := pace.New()
	c.pace = limits
	c.ota = ota.New(ota.Config{
		Pace:       limits,
		MaxUpdates: c.config.OTA.MaxUpdates, MaxTeam: c.config.Quota.Updates, MaxBehind: c.config.OTA.GatewayUpdates,
		MaxAttempts: c.config.OTA.Attempts, CoolDown: c.config.OTA.CoolDown,
		Ready:      c.sessions.SlotFree,
		Ended:      func(d fleet.Device) { c.activity.Updates(base, &d, []fleet.Update{d.Update}) },
		Unreadable: func(d fleet.Device, cause error) { c.activity.Unreadable(base, &d, cause) },
	}, c.store.Devices, c.store.Catalogs, image.NewChunker(images, int64(c.config.OTA.Cache), int64(c.config.OTA.Rate)))
	c.remaining = remaining.New(remaining.Config{Catalogs: c.store.Catalogs, Index: c.store.Index, Pace: limits, MaxAttempts: c.config.OTA.Attempts})
	c.rollouts = rollout.New(rollout.Config{
		Catalogs: c.store.Catalogs, Teams: c.store.Teams, Index: c.store.Index, Audit: c.audit, MaxAttempts: c.config.OTA.Attempts,
		Log: c.log, Clock: c.store.Clock, Announce: c.activity.Publish, Halted: c.ota.Hold, Changed: c.sessions.Released, Leads: c.leads(leaseReleases), Pace: limits,
		Counted: func(product fleet.ProductID, r fleet.Release, n fleet.ReleaseCounts) {
			c.history.Counted(product, r, n)
		},
		Alert: func(ctx context.Context, team fleet.TeamID, name, text string) {
			c.activity.RaiseFor(ctx, team, "", name, text)
		},
	})
	c.releases = release.New(release.Config{
		MaxImage: int64(c.config.OTA.MaxImage),
		Devices:  c.store.Devices, Catalogs: c.store.Catalogs, Teams: c.store.Teams, Index: c.store.Index,
		Images: images, OTA: c.ota, Audit: c.audit, Quota: c.quotas.Images, Uploads: c.quotas.Uploads, Announce: c.activity.Publish,
		Elsewhere: func(team fleet.TeamID) map[fleet.DeviceID]int64 { return c.peers.DownloadsElsewhere(team) },
		Changed: func(product fleet.ProductID, now []fleet.DeviceID) {
			c.rollouts.Watch(product)
			c.sessions.Released(product, now)
		},
	})
	c.rehearsals = rehearsal.New(rehearsal.Config{
		Devices: c.store.Devices, Index: c.store.Index, OTA: c.ota, Releases: c.releases,
		MaxUpdates: c.config.OTA.MaxUpdates, Rate: int64(c.config.OTA.Rate), Session: c.config.OTA.MaxSessionAge,
	})
}
