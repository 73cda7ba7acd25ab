package main

import (
	"context"
	"fmt"
	"reflect"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
)

type deviceCmd struct {
	List         deviceListCmd        `cmd:"" help:"List a product's devices: filter, sort." example:"muster device list --group beta --online"`
	Get          deviceGetCmd         `cmd:"" help:"Show one device." example:"muster device get lamp-7"`
	Import       deviceImportCmd      `cmd:"" help:"Make devices members of a product; prints their secrets, this once." example:"muster device import lamp-7 lamp-8 --group beta"`
	Update       deviceUpdateCmd      `cmd:"" help:"Change one device: name, notes, groups, lock, development." example:"muster device update lamp-7 --lock 3 --flash-now"`
	Why          deviceWhyCmd         `cmd:"" help:"Explain which firmware a device should run, and why." example:"muster device why lamp-7"`
	Updates      deviceUpdatesCmd     `cmd:"" help:"List a device's updates, newest first." example:"muster device updates lamp-7"`
	Flash        deviceFlashCmd       `cmd:"" help:"Send one version to an online device, once, now." example:"muster device flash lamp-7 4"`
	Command      deviceCommandCmd     `cmd:"" help:"Send a command to a device; it waits for one that is offline." example:"muster device command lamp-7 blink '{\"times\":3}' --wait 10s"`
	Lock         deviceLockCmd        `cmd:"" help:"Lock devices to a version, above every release." example:"muster device lock 3 lamp-7 lamp-8"`
	Unlock       deviceUnlockCmd      `cmd:"" help:"Let releases decide about devices again." example:"muster device unlock lamp-7 lamp-8"`
	Development  deviceDevelopmentCmd `cmd:"" help:"Mark development devices, which are never updated automatically." example:"muster device development lamp-7"`
	RotateSecret deviceRotateCmd      `cmd:"" help:"Give a device a new secret, shown this once; the old one ends at once." example:"muster device rotate-secret lamp-7"`
	Delete       deviceDeleteCmd      `cmd:"" help:"Remove devices and their credentials." example:"muster device delete lamp-7"`
}

type deviceListCmd struct {
	productRemote
	Group          []string    `short:"g" help:"In this group; several: in any of them." placeholder:"GROUP" complete:"group"`
	ID             string      `name:"id" help:"With this in the id." placeholder:"TEXT"`
	Name           string      `help:"With this in the name." placeholder:"TEXT"`
	Version        versionText `help:"That run this version." placeholder:"VERSION" complete:"firmware"`
	Online         bool        `xor:"online" help:"That are connected."`
	Offline        bool        `xor:"online" help:"That are not."`
	Development    bool        `xor:"development" help:"Development devices."`
	NotDevelopment bool        `xor:"development" help:"All others."`
	Locked         bool        `xor:"locked" help:"Locked to a version."`
	NotLocked      bool        `xor:"locked" help:"Not locked."`
	Sort           string      `enum:"id,name,version,handshake" default:"id" help:"By id, name, version or handshake."`
	Desc           bool        `help:"The other way round."`
	Limit          int         `default:"100" help:"Rows at most; 0: all that pages reach, 10000." placeholder:"N"`
}

func (c *deviceListCmd) filter() api.DeviceFilter {
	either := func(yes, no bool) *bool {
		if yes == no {
			return nil
		}
		return &yes
	}
	return api.DeviceFilter{
		Groups: c.Group, ID: c.ID, Name: c.Name, Version: c.Version.String(),
		Online: either(c.Online, c.Offline), Development: either(c.Development, c.NotDevelopment), Locked: either(c.Locked, c.NotLocked),
		Sort:       map[string]string{"id": "deviceId", "name": "deviceName", "version": "firmwareVersion", "handshake": "lastConnection"}[c.Sort],
		Descending: c.Desc,
	}
}

// Run lists devices.
func (c *deviceListCmd) Run(ctx context.Context) error {
	client, product, err := c.reach(ctx)
	if err != nil {
		return err
	}
	for _, name := range c.Group {
		if _, _, err := client.Group(ctx, product, name); err != nil {
			return err // the server takes a group that is not there for one without members
		}
	}
	devices, total, err := c.collect(ctx, client, product)
	if err != nil {
		return err
	}
	if len(devices) < total {
		note("%d of %d devices; --limit shows more.", len(devices), total)
	}
	c.hint(total, "%s", c.next())
	return c.show(devices, func(t *table) {
		t.row("ID", "NAME", "RUNS", "SHOULD RUN", "BECAUSE OF", "ONLINE", "HANDSHAKE", "GROUPS")
		for _, d := range devices {
			t.row(d.ID, clip(d.Name, 30), d.Running, target(d.Target), d.TargetReason, d.Online, d.LastHandshake, d.Groups)
		}
	})
}

// next is what to do where there are no devices to list.
func (c *deviceListCmd) next() string {
	all := deviceListCmd{Sort: c.Sort, Desc: c.Desc}
	if reflect.DeepEqual(c.filter(), all.filter()) {
		return "No devices yet: muster device import ID makes some."
	}
	return "No such devices; without filters all are listed."
}

// collect reads pages until --limit.
func (c *deviceListCmd) collect(ctx context.Context, client *client.Client, product string) (all []api.Device, total int, err error) {
	const reach = 10_000 // rows that page numbers reach
	limit := c.Limit
	if limit <= 0 || limit > reach {
		limit = reach
	}
	all = []api.Device{}
	filter := c.filter()
	filter.PerPage = min(limit, 100)
	for filter.Page = 1; ; filter.Page++ {
		got, err := client.Devices(ctx, product, filter)
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

// Run shows one.
func (c *deviceGetCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	d, err := client.Device(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.show(d, func(t *table) { drawDevice(t, d) })
}

func drawDevice(t *table, d api.Device) {
	t.row("id", d.ID)
	t.row("name", d.Name)
	t.row("product", d.Firmware.App.Name)
	t.row("kind", d.Type)
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
	t.row("heard", d.LastHeard)
	if d.LastAddress != nil {
		t.row("address", *d.LastAddress)
	}
	t.row("hardware", d.Hardware)
	if !d.UpdatesEnabled {
		t.row("updates", "the device says: not now")
	}
	if d.Update != nil {
		t.row("last update", updateText(*d.Update))
	}
	t.row("notes", d.Notes)
}

// target is a target version; without one a device keeps what it runs.
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
	client, err := c.client()
	if err != nil {
		return err
	}
	why, err := client.Why(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.show(why, func(t *table) {
		t.line("%s should run %s, because of: %s", c.ID, versionWords(why.Target), why.Reason)
		for _, step := range why.Steps {
			t.row("  "+step.Rule, step.Outcome, step.Detail)
		}
	})
}

func versionWords(v api.Version) string {
	if v.IsZero() {
		return "what it runs"
	}
	return fmt.Sprintf("version %s", v)
}
