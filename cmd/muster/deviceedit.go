package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type deviceUpdateCmd struct {
	remote
	agree
	ID            string      `arg:"" help:"Device id." complete:"device"`
	Name          *string     `help:"Its name." placeholder:"TEXT"`
	Notes         *string     `help:"Notes about it." placeholder:"TEXT"`
	Groups        *string     `help:"All its groups, between commas; a missing one is created; empty takes it out of all." placeholder:"GROUP,..."`
	Lock          versionText `xor:"lock" help:"Lock it to this version, above every release." placeholder:"VERSION" complete:"firmware"`
	FlashNow      bool        `help:"With --lock: at once, where it is online, and not at its next handshake."`
	Unlock        bool        `xor:"lock" help:"Let releases decide again."`
	Development   bool        `xor:"development" help:"Make it a development device, which is never updated automatically."`
	NoDevelopment bool        `xor:"development" help:"Make it an ordinary device again."`
	Force         bool        `xor:"force" help:"Send it updates although it says \"not now\"."`
	NoForce       bool        `xor:"force" help:"Heed its \"not now\" again."`
	Disable       bool        `xor:"disable" help:"It may not connect any more."`
	Enable        bool        `xor:"disable" help:"It may connect again."`
	Gateway       *string     `help:"Attach a Bluetooth LE device to this gateway; empty detaches it." placeholder:"ID" complete:"device"`
}

// Run changes one device. What may bring it other firmware is said, and asked about,
// before.
func (c *deviceUpdateCmd) Run(ctx context.Context) error {
	change, err := c.change()
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	before, tag, err := client.DeviceTag(ctx, c.ID)
	if err != nil {
		return err
	}
	product := strconv.FormatUint(uint64(before.ProductID), 10)
	if err := c.ask(ctx, client, product, change, before); err != nil {
		return err
	}
	d, err := client.If(tag).UpdateDevice(ctx, product, c.ID, change)
	if changed(err) {
		return errors.Join(c.tellDevice(ctx, client), fmt.Errorf("nothing was changed: %w", err))
	}
	if err != nil {
		return err
	}
	return c.show(d, func(t *table) { drawDevice(t, d) })
}

// tellDevice says beside the answer how the device is at this moment.
func (c *deviceUpdateCmd) tellDevice(ctx context.Context, client *client.Client) error {
	d, err := client.Device(ctx, c.ID)
	if err != nil {
		return err
	}
	note("Someone else has changed %s meanwhile. Now it is:", c.ID)
	t := newTable(os.Stderr)
	drawDevice(t, d)
	return t.flush()
}

func (c *deviceUpdateCmd) change() (api.DeviceUpdate, error) {
	u := api.DeviceUpdate{Flash: c.FlashNow}
	if c.Name != nil {
		u.Name = api.Some(*c.Name)
	}
	if c.Notes != nil {
		u.Notes = api.Some(*c.Notes)
	}
	if c.Groups != nil {
		u.Groups = api.Some(names(*c.Groups))
	}
	switch {
	case !c.Lock.IsZero():
		u.Lock = api.Some(c.Lock.wire())
	case c.Unlock:
		u.Lock = api.Null[api.Version]()
	}
	if c.Development || c.NoDevelopment {
		u.Development = &c.Development
	}
	if c.Force || c.NoForce {
		u.Forced = &c.Force
	}
	if c.Disable || c.Enable {
		u.Disabled = &c.Disable
	}
	if c.Gateway != nil {
		u.Gateway = api.Some(*c.Gateway)
	}
	if c.FlashNow && c.Lock.IsZero() {
		return u, wrongUse("--flash-now goes with --lock; without a lock: muster device flash %s VERSION", c.ID)
	}
	if !u.Name.Set && !u.Notes.Set && !u.Groups.Set && !u.Lock.Set && u.Development == nil && u.Forced == nil && u.Disabled == nil && !u.Gateway.Set {
		return u, wrongUse("nothing to change: see muster device update --help")
	}
	return u, nil
}

func (c *deviceUpdateCmd) ask(ctx context.Context, client *client.Client, product string, change api.DeviceUpdate, before api.Device) error {
	if c.Yes {
		return nil
	}
	promoted, err := c.promotes(ctx, client, before)
	if err != nil {
		return err
	}
	if !promoted && !change.Groups.Set && !change.Lock.Set && change.Development == nil && change.Forced == nil {
		return nil
	}
	impact, err := client.PreviewDevice(ctx, product, c.ID, change)
	if err != nil {
		return err
	}
	bare := change.Groups.Set && len(change.Groups.Value) == 0 && len(before.Groups) > 0
	if bare {
		note("%s will be in no group you can see: everyone in the team may see it then.", c.ID)
	}
	if impact.Devices.Update.Total == 0 && !bare && !promoted {
		return nil
	}
	tellImpact(readImpact(impact))
	return c.confirm(ctx, "Change %s?", c.ID)
}

// promotes reports whether --gateway makes an ordinary device a gateway, and says so.
func (c *deviceUpdateCmd) promotes(ctx context.Context, client *client.Client, before api.Device) (bool, error) {
	if c.Gateway == nil || *c.Gateway == "" || before.Type != fleet.BLE.String() {
		return false, nil // only a BLE device is attached: the server says so
	}
	return tellPromotion(ctx, client, *c.Gateway)
}

// tellPromotion says where a device that is none yet becomes a gateway.
func tellPromotion(ctx context.Context, client *client.Client, id string) (bool, error) {
	d, err := client.Device(ctx, id)
	if err != nil || d.Type != fleet.Generic.String() {
		return false, err
	}
	note("%s is an ordinary device. It becomes a gateway, and stays one; where it is connected it is cut off once, to come back as one.", id)
	return true, nil
}

// names splits names between commas; none is an empty list, not an absent one.
func names(text string) api.Names {
	list := api.Names{}
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list
}

type deviceRotateCmd struct {
	remote
	agree
	ID string `arg:"" help:"Device id." complete:"device"`
}

// Run makes a new secret.
func (c *deviceRotateCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, "The secret %s has now ends at once. Give it a new one?", c.ID); err != nil {
		return err
	}
	secret, err := client.RotateSecret(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.show(secret, func(t *table) {
		t.row("DEVICE", "SECRET (shown this once)")
		t.row(secret.ID, secret.Secret)
	})
}

type deviceDeleteCmd struct {
	remote
	agree
	ID []string `arg:"" name:"id" help:"Device ids." complete:"device"`
}

// Run removes devices, going on where one can't be removed.
func (c *deviceDeleteCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if !c.Yes {
		c.tellAttached(ctx, client)
	}
	if err := c.confirm(ctx, "Remove %s and what is known about them: %s?", humane.Count(len(c.ID), "device"), clip(strings.Join(c.ID, " "), 200)); err != nil {
		return err
	}
	return c.each(c.ID, func(id string) error { return client.DeleteDevice(ctx, id) }, "removed")
}

// maxAttachedAsked is how many devices are asked for what is attached to them.
const maxAttachedAsked = 100

// tellAttached says which Bluetooth LE devices lose their gateway. A device that can't be
// asked about is passed over: removing it says why.
func (c *deviceDeleteCmd) tellAttached(ctx context.Context, client *client.Client) {
	for _, id := range c.ID[:min(len(c.ID), maxAttachedAsked)] {
		if d, err := client.Device(ctx, id); err == nil && len(d.Children) > 0 {
			note("%s attached to %s lose their gateway: %s.", humane.Count(len(d.Children), "device"), id, clip(strings.Join(d.Children, " "), 200))
		}
	}
}

// each does one thing to each of ids, says what was done, and joins the errors.
func (r remote) each(ids []string, do func(id string) error, done string) error {
	return r.eachSays(ids, func(id string) (string, error) { return done, do(id) })
}

// eachSays is each where what was done differs from one to the next.
func (r remote) eachSays(ids []string, do func(id string) (done string, err error)) error {
	var errs []error
	outcome, failed := map[string]string{}, map[string]bool{}
	for _, id := range ids {
		done, err := do(id)
		if outcome[id] = done; err != nil {
			outcome[id], failed[id] = err.Error(), true
			errs = append(errs, err)
		}
	}
	err := r.show(outcome, func(t *table) {
		for _, id := range ids {
			if !failed[id] {
				t.row(id, outcome[id])
			}
		}
	})
	return errors.Join(append(errs, err)...)
}
