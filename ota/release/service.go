package release

import (
	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/quota"
	"github.com/muster-iot/muster/store"
)

// Config is what a Service works with.
type Config struct {
	MaxImage int64 // bytes of an uploaded image

	Devices  *store.Devices
	Catalogs *store.Catalogs
	Teams    *store.Teams
	Index    *index.Index
	Images   image.Store
	OTA      *ota.Service
	Audit    *audit.Log
	Quota    *quota.Stock  // of bytes of images; nil: none
	Uploads  *quota.Places // nil: any number at a time

	// Elsewhere returns the downloads of a team's devices at other servers that share the store, and how many
	// bytes each has; nil: there are none. It must not block.
	Elsewhere func(fleet.TeamID) map[fleet.DeviceID]int64
	// Announce passes an event on to listeners. It must not block.
	Announce func(event.Event)
	// Changed is called after the releases of a product have changed: running downloads
	// whose version is no longer the target have to be re-evaluated, and the devices in now
	// at once. It must not block.
	Changed func(product fleet.ProductID, now []fleet.DeviceID)
}

func (c Config) withDefaults() Config {
	if c.Elsewhere == nil {
		c.Elsewhere = func(fleet.TeamID) map[fleet.DeviceID]int64 { return nil }
	}
	if c.Announce == nil {
		c.Announce = func(event.Event) {}
	}
	if c.Changed == nil {
		c.Changed = func(fleet.ProductID, []fleet.DeviceID) {}
	}
	return c
}

// Service carries out operators' orders about firmware. It is safe for concurrent use.
type Service struct {
	maxImage  int64
	devices   *store.Devices
	catalogs  *store.Catalogs
	teams     *store.Teams
	index     *index.Index
	images    image.Store
	ota       *ota.Service
	audit     *audit.Log
	quota     *quota.Stock
	uploads   *quota.Places
	elsewhere func(fleet.TeamID) map[fleet.DeviceID]int64
	announce  func(event.Event)
	changed   func(fleet.ProductID, []fleet.DeviceID)
}

// New makes a Service.
func New(config Config) *Service {
	config = config.withDefaults()
	return &Service{
		maxImage: config.MaxImage,
		devices:  config.Devices, catalogs: config.Catalogs, teams: config.Teams, index: config.Index, images: config.Images,
		ota: config.OTA, audit: config.Audit, quota: config.Quota, uploads: config.Uploads, elsewhere: config.Elsewhere, announce: config.Announce, changed: config.Changed,
	}
}
