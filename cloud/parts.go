package cloud

import (
	"github.com/muster-iot/muster/accounts"
	"github.com/muster-iot/muster/notify"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/ota/release"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/store"
)

// Store is where c keeps the fleet. What is changed through it passes no rule and no right.
func (c *Cloud) Store() *store.Store { return c.store }

// Registry are the operations on products, groups and devices.
func (c *Cloud) Registry() *registry.Registry { return c.registry }

// Accounts are the operations on teams, users and tokens.
func (c *Cloud) Accounts() *accounts.Accounts { return c.accounts }

// OTA are the operations on firmware and updates.
func (c *Cloud) OTA() *ota.Service { return c.ota }

// Releases is what operators do about firmware.
func (c *Cloud) Releases() *release.Service { return c.releases }

// Notifications are the operations on channels and what is sent to them.
func (c *Cloud) Notifications() *notify.Service { return c.notify }
