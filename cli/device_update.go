package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

type deviceUpdateCmd struct {
	remote
	agree
	ID            string      `arg:"" help:"Device id." complete:"device"`
	Name          *string     `help:"New name." placeholder:"TEXT"`
	Notes         *string     `help:"New notes." placeholder:"TEXT"`
	Groups        *string     `help:"All groups the device is to be in, comma-separated. Missing groups are created; an empty list removes it from all." placeholder:"GROUP,..."`
	Lock          versionText `xor:"lock" help:"Lock it to this version, which overrides every release." placeholder:"VERSION" complete:"firmware"`
	FlashNow      bool        `help:"With --lock: update now if the device is online, instead of at its next handshake."`
	Unlock        bool        `xor:"lock" help:"Let it follow releases again."`
	Development   bool        `xor:"development" help:"Make it a development device, which is never updated automatically."`
	NoDevelopment bool        `xor:"development" help:"Make it an ordinary device again."`
	Force         bool        `xor:"force" help:"Send updates even if the device asks to wait (\"not now\")."`
	NoForce       bool        `xor:"force" help:"Respect its \"not now\" again."`
	Disable       bool        `xor:"disable" help:"Reject its connections."`
	Enable        bool        `xor:"disable" help:"Let it connect again."`
	Gateway       *string     `help:"Attach a Bluetooth LE device to this gateway; an empty id detaches it." placeholder:"ID" complete:"device"`
}

// Run changes one device. If that may update its firmware, it shows the impact and asks.
func (c *deviceUpdateCmd) Run(ctx context.Context) error {
	change, err := c.change()
	if err != nil {
		return err
	}
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	before, tag, err := s.DeviceTag(ctx, c.ID)
	if err != nil {
		return err
	}
	s.product = strconv.FormatUint(uint64(before.ProductID), 10)
	if err := c.agreeTo(ctx, s, change, before); err != nil {
		return err
	}
	d, err := s.If(tag).UpdateDevice(ctx, s.product, c.ID, change)
	if hasChanged(err) {
		return errors.Join(c.noteCurrent(ctx, s), fmt.Errorf("nothing was changed: %w", err))
	}
	return answer(c, d, err, drawDevice)
}

// noteCurrent prints the device as it is after someone else's change.
func (c *deviceUpdateCmd) noteCurrent(ctx context.Context, s server) error {
	d, err := s.Device(ctx, c.ID)
	if err != nil {
		return err
	}
	note("Someone else changed %s in the meantime. It is now:", c.ID)
	t := newTable(os.Stderr)
	drawDevice(t, d)
	return t.flush()
}

// change converts the flags; without any it is misuse.
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
		return u, Misuse("--flash-now needs --lock; to update once without a lock: muster device flash %s VERSION", c.ID)
	}
	if !u.Name.Set && !u.Notes.Set && !u.Groups.Set && !u.Lock.Set && u.Development == nil && u.Forced == nil && u.Disabled == nil && !u.Gateway.Set {
		return u, Misuse("nothing to change: see muster device update --help")
	}
	return u, nil
}

// agreeTo shows what the change affects and asks, if it affects firmware or who sees the
// device.
func (c *deviceUpdateCmd) agreeTo(ctx context.Context, s server, change api.DeviceUpdate, before api.Device) error {
	if c.Yes {
		return nil
	}
	promoted, err := c.promotes(ctx, s, before)
	if err != nil {
		return err
	}
	if !promoted && !change.Groups.Set && !change.Lock.Set && change.Development == nil && change.Forced == nil {
		return nil
	}
	impact, err := s.PreviewDevice(ctx, s.product, c.ID, change)
	if err != nil {
		return err
	}
	groupless := change.Groups.Set && len(change.Groups.Value) == 0 && len(before.Groups) > 0
	if groupless {
		note("%s will be in no group that you can see, so everyone in the team may see it.", c.ID)
	}
	if impact.Devices.Update.Total == 0 && !groupless && !promoted {
		return nil
	}
	noteImpact(readImpact(impact))
	return c.confirm(ctx, "Change %s?", c.ID)
}

// promotes reports whether --gateway turns an ordinary device into a gateway, with a note.
func (c *deviceUpdateCmd) promotes(ctx context.Context, s server, before api.Device) (bool, error) {
	if c.Gateway == nil || *c.Gateway == "" || before.Type != fleet.BLE.String() {
		return false, nil // the server rejects attaching anything but a BLE device
	}
	return notePromotion(ctx, s, *c.Gateway)
}

// notePromotion reports whether attaching a device to id turns id into a gateway, with a
// note.
func notePromotion(ctx context.Context, s server, id string) (bool, error) {
	d, err := s.Device(ctx, id)
	if err != nil || d.Type != fleet.Generic.String() {
		return false, err
	}
	note("%s is an ordinary device. It becomes a gateway permanently; if it is connected, it is disconnected once so that it reconnects as one.", id)
	return true, nil
}
