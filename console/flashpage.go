package console

import (
	"github.com/muster-iot/muster/fleet"
)

// flashBody is the page that confirms flashing or locking one device.
type flashBody struct {
	firmwareRow
	View   fleet.DeviceView
	Lock   bool // otherwise it is flashed once
	Now    bool // with Lock: also flashed immediately
	Impact fleet.Impact
}

// Interrupts reports whether the device restarts immediately.
func (b flashBody) Interrupts() bool { return b.Now || !b.Lock }

// Lower reports whether the version is older than what the device runs.
func (b flashBody) Lower() bool {
	return !b.View.Running.IsZero() && b.Version.Compare(b.View.Running) < 0
}

// Back is the version the device returns to after a flash; zero: it keeps the flashed one.
func (b flashBody) Back() fleet.Version {
	if b.Lock || b.View.Development || b.View.Target.Equal(b.Version) {
		return fleet.Version{}
	}
	return b.View.Target
}

func (v devicePages) flashPage() error {
	b := flashBody{Lock: v.text("act") == "lock", Now: v.text("flash") != ""}
	if v.text("version") == "" {
		return fleet.FieldErrorf("version", "choose a version")
	}
	var err error
	if b.View, err = v.registry.Device(v.ctx(), v.actor, v.product.ID, v.deviceID()); err != nil {
		return err
	}
	if b.firmwareRow, _, err = v.versionNamed(v.text("version")); err != nil {
		return err
	}
	edit, title := fleet.DeviceEdit{}, "Flash " // without changes, to check the right only
	if b.Lock {
		edit, title = fleet.DeviceEdit{Lock: &b.Version, Flash: b.Now}, "Lock "
	}
	if b.Impact, err = v.registry.PreviewDevice(v.ctx(), v.actor, v.product.ID, b.View.ID, edit); err != nil {
		return err
	}
	return v.show("flash", title+b.View.ID.String(), b)
}
