package cli

import (
	"context"
	"fmt"
	"reflect"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type deviceCmd struct {
	List         deviceListCmd        `cmd:"" help:"List a product's devices, filtered and sorted." example:"muster device list --group beta --online"`
	Get          deviceGetCmd         `cmd:"" help:"Show one device." example:"muster device get lamp-7"`
	Import       deviceImportCmd      `cmd:"" help:"Add devices to a product; prints their secrets, only once." example:"muster device import lamp-7 lamp-8 --group beta"`
	Update       deviceUpdateCmd      `cmd:"" help:"Change one device: name, notes, groups, lock, development." example:"muster device update lamp-7 --lock 3 --flash-now"`
	Why          deviceWhyCmd         `cmd:"" help:"Explain which firmware a device should run, and why." example:"muster device why lamp-7"`
	Connections  deviceConnectionsCmd `cmd:"" help:"List a device's last connections and what ended them, newest first." example:"muster device connections lamp-7"`
	Facts        deviceFactsCmd       `cmd:"" help:"List what a device reported about itself, and what that was before." example:"muster device facts lamp-7"`
	Updates      deviceUpdatesCmd     `cmd:"" help:"List a device's updates, newest first." example:"muster device updates lamp-7"`
	Flash        deviceFlashCmd       `cmd:"" help:"Send one version to an online device now, once." example:"muster device flash lamp-7 4"`
	Command      deviceCommandCmd     `cmd:"" help:"Send a command to a device; an offline device gets it when it connects." example:"muster device command lamp-7 blink '{\"times\":3}' --wait 10s"`
	Lock         deviceLockCmd        `cmd:"" help:"Lock devices to a version, which overrides every release." example:"muster device lock 3 lamp-7 lamp-8"`
	Unlock       deviceUnlockCmd      `cmd:"" help:"Unlock devices, so that they follow releases again." example:"muster device unlock lamp-7 lamp-8"`
	Development  deviceDevelopmentCmd `cmd:"" help:"Mark development devices, which are never updated automatically." example:"muster device development lamp-7"`
	RotateSecret deviceRotateCmd      `cmd:"" help:"Replace a device's secret; the new one is shown only once, the old one stops working at once." example:"muster device rotate-secret lamp-7"`
	Delete       deviceDeleteCmd      `cmd:"" help:"Delete devices and their credentials." example:"muster device delete lamp-7"`
}

type deviceListCmd struct {
	productRemote
	Group          []string    `short:"g" help:"Only devices in this group; repeat for any of several." placeholder:"GROUP" complete:"group"`
	ID             string      `name:"id" help:"Only ids that contain this." placeholder:"TEXT"`
	Name           string      `help:"Only names that contain this." placeholder:"TEXT"`
	Version        versionText `help:"Only devices that run this version." placeholder:"VERSION" complete:"firmware"`
	Online         bool        `xor:"online" help:"Only connected devices."`
	Offline        bool        `xor:"online" help:"Only disconnected devices."`
	Development    bool        `xor:"development" help:"Only development devices."`
	NotDevelopment bool        `xor:"development" help:"Only other devices than those."`
	Locked         bool        `xor:"locked" help:"Only devices locked to a version."`
	NotLocked      bool        `xor:"locked" help:"Only devices without a lock."`
	Filter         string      `name:"filter" help:"Only devices that this saved filter selects, without other conditions." placeholder:"NAME" complete:"filter"`
	Fact           []string    `help:"Only devices that reported this fact; repeat for devices that reported all of several. modem.imei is imei within modem." placeholder:"NAME=VALUE" sep:"none"`
	Sort           string      `enum:"id,name,version,handshake" default:"id" help:"Sort by id, name, version or handshake."`
	Desc           bool        `help:"Sort in descending order."`
	Limit          int         `default:"100" help:"Maximum number of rows; 0 for as many as the server pages through, 10000." placeholder:"N"`
}

func (c *deviceListCmd) conditions() api.DeviceFilter {
	either := func(yes, no bool) *bool {
		if yes == no {
			return nil
		}
		return &yes
	}
	return api.DeviceFilter{
		Groups: c.Group, ID: c.ID, Name: c.Name, Version: c.Version.String(),
		Online: either(c.Online, c.Offline), Development: either(c.Development, c.NotDevelopment), Locked: either(c.Locked, c.NotLocked),
		Facts: c.facts(), Saved: c.Filter,
		Sort:       map[string]string{"id": "deviceId", "name": "deviceName", "version": "firmwareVersion", "handshake": "lastConnection"}[c.Sort],
		Descending: c.Desc,
	}
}

// Validate checks the facts.
func (c *deviceListCmd) Validate() error {
	for _, text := range c.Fact {
		if _, err := fleet.ParseFact(text); err != nil {
			return fmt.Errorf("--fact: %w", err)
		}
	}
	return nil
}

func (c *deviceListCmd) facts() map[string]string {
	var all map[string]string
	for _, text := range c.Fact {
		if f, err := fleet.ParseFact(text); err == nil { // Validate has seen them
			if all == nil {
				all = map[string]string{}
			}
			all[f.Path] = f.Value
		}
	}
	return all
}

// Run lists devices.
func (c *deviceListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Device, error) {
		for _, name := range c.Group {
			if _, _, err := s.Group(ctx, s.product, name); err != nil {
				return nil, err // in a filter the server treats an unknown group as an empty one
			}
		}
		devices, total, err := c.collect(ctx, s)
		if len(devices) < total {
			note("%d of %d devices; --limit shows more.", len(devices), total)
		}
		return devices, err
	}, func(t *table, devices []api.Device) {
		t.hint(len(devices), "%s", c.next())
		t.row("ID", "NAME", "RUNS", "SHOULD RUN", "BECAUSE OF", "ONLINE", "HANDSHAKE", "GROUPS")
		for _, d := range devices {
			t.row(d.ID, clip(d.Name, 30), d.Running, target(d.Target), d.TargetReason, d.Online, d.LastHandshake, d.Groups)
		}
	})
}

// next is the hint for an empty list.
func (c *deviceListCmd) next() string {
	all := deviceListCmd{Sort: c.Sort, Desc: c.Desc}
	if reflect.DeepEqual(c.conditions(), all.conditions()) {
		return "No devices yet. Add some with: muster device import ID"
	}
	return "No matching devices. Without filters all are listed."
}

// collect reads pages up to --limit; total is the number of devices that match.
func (c *deviceListCmd) collect(ctx context.Context, s server) (all []api.Device, total int, err error) {
	const reach = 10_000 // the last row that page numbers reach
	limit := c.Limit
	if limit <= 0 || limit > reach {
		limit = reach
	}
	all = []api.Device{}
	filter := c.conditions()
	filter.PerPage = min(limit, 100)
	for filter.Page = 1; ; filter.Page++ {
		got, err := s.Devices(ctx, s.product, filter)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, got.Devices...)
		if len(got.Devices) < filter.PerPage || len(all) >= limit {
			return all[:min(len(all), limit)], got.Meta.Total, nil
		}
	}
}

type deviceGetCmd struct {
	remote
	ID string `arg:"" help:"Device id." complete:"device"`
}

// Run shows a device.
func (c *deviceGetCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Device, error) { return s.Device(ctx, c.ID) }, drawDevice)
}

func drawDevice(t *table, d api.Device) {
	t.row("id", d.ID)
	t.row("name", d.Name)
	t.row("product", d.Firmware.App.Name)
	t.row("kind", d.Type)
	if d.User != "" {
		t.row("user name", d.User+": four older devices of other teams have its id")
	}
	if d.Gateway != "" {
		t.row("gateway", d.Gateway)
	}
	if len(d.Children) > 0 {
		t.row("attached", d.Children)
	}
	t.row("groups", d.Groups)
	t.row("runs", d.Running)
	t.row("should run", target(d.Target)+", because of: "+d.TargetReason)
	t.row("locked to", d.Lock)
	t.row("development", d.Development)
	t.row("online", d.Online)
	t.row("handshake", d.LastHandshake)
	t.row("last heard", d.LastHeard)
	if d.LastAddress != nil {
		t.row("address", *d.LastAddress)
	}
	t.row("hardware", d.Hardware)
	t.row("facts", string(d.Facts))
	if !d.UpdatesEnabled {
		t.row("updates", "declined by the device for now")
	}
	if d.Update != nil {
		t.row("last update", updateText(*d.Update))
	}
	if d.CoolingUntil != nil {
		t.row("next attempt", cell(d.CoolingUntil)+"; to try at once: muster update retry "+d.ID)
	}
	t.row("notes", d.Notes)
}

// target names a target version. A device without one keeps what it runs.
func target(v api.Version) string {
	if v.IsZero() {
		return "what it runs"
	}
	return v.String()
}

type deviceWhyCmd struct {
	remote
	ID string `arg:"" help:"Device id." complete:"device"`
}

// Run shows the server's trace of its decision, rule by rule.
func (c *deviceWhyCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Why, error) { return s.Why(ctx, c.ID) }, func(t *table, why api.Why) {
		version := target(why.Target)
		if !why.Target.IsZero() {
			version = "version " + version
		}
		t.line("%s should run %s, because of: %s", c.ID, version, why.Reason)
		for _, step := range why.Steps {
			t.row("  "+step.Rule, step.Outcome, step.Detail)
		}
	})
}

type deviceRotateCmd struct {
	remote
	agree
	ID string `arg:"" help:"Device id." complete:"device"`
}

// Run replaces a device's secret.
func (c *deviceRotateCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Secret, error) {
		if err := c.confirm(ctx, "The current secret of %s stops working at once. Replace it?", c.ID); err != nil {
			return api.Secret{}, err
		}
		return s.RotateSecret(ctx, c.ID)
	}, func(t *table, secret api.Secret) {
		t.row("DEVICE", "SECRET (shown only once: copy it now)")
		t.row(secret.ID, secret.Secret)
	})
}

type deviceDeleteCmd struct {
	remote
	agree
	ID []string `arg:"" name:"id" help:"Device ids." complete:"device"`
}

// Run deletes devices.
func (c *deviceDeleteCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	if !c.Yes {
		c.noteAttached(ctx, s)
	}
	if err := c.confirm(ctx, "Delete %s and their history: %s?", humane.Count(len(c.ID), "device"), clipIDs(c.ID)); err != nil {
		return err
	}
	return each(ctx, c, c.ID, (*client.Client).DeleteDevice, "deleted")
}

// maxAttachedAsked bounds the requests about attached devices, one per device to delete.
const maxAttachedAsked = 100

// noteAttached prints which Bluetooth LE devices lose their gateway. It skips devices it
// can't read: deleting them reports the error.
func (c *deviceDeleteCmd) noteAttached(ctx context.Context, s server) {
	for _, id := range c.ID[:min(len(c.ID), maxAttachedAsked)] {
		if d, err := s.Device(ctx, id); err == nil && len(d.Children) > 0 {
			note("%s attached to %s lose their gateway: %s.", humane.Count(len(d.Children), "device"), id, clipIDs(d.Children))
		}
	}
}

// checkDevice returns the error of a device that does not exist or that the user may not
// see; none if id is empty. It is called only where a list of what id sent is empty: what a
// deleted device sent is kept.
func checkDevice(ctx context.Context, s server, id string) error {
	if id == "" {
		return nil
	}
	_, err := s.Device(ctx, id)
	return err
}
