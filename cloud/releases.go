package cloud

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/ota/rollout"
)

// composeReleases makes the parts that release firmware, once the ones they need are made.
func (c *Cloud) composeReleases(images image.Store) {
	c.rollouts = rollout.New(rollout.Config{
		Catalogs: c.store.Catalogs, Teams: c.store.Teams, Index: c.store.Index, Audit: c.audit, MaxAttempts: c.config.OTA.Attempts,
		Log: c.log, Clock: c.store.Clock, Announce: c.activity.Publish, Changed: c.sessions.Released,
	})
	c.releases = release.New(release.Config{
		MaxImage: int64(c.config.OTA.MaxImage),
		Devices:  c.store.Devices, Catalogs: c.store.Catalogs, Teams: c.store.Teams, Index: c.store.Index,
		Images: images, OTA: c.ota, Audit: c.audit, Quota: c.quotas.Images, Uploads: c.quotas.Uploads, Announce: c.activity.Publish,
		Changed: func(product fleet.ProductID, now []fleet.DeviceID) {
			c.rollouts.Watch(product)
			c.sessions.Released(product, now)
		},
	})
}
