package console

import (
	"github.com/muster-iot/muster/fleet"
)

// sendBody is the page that asks before one device is flashed or locked.
type sendBody struct {
	firmwareRow
	View   fleet.DeviceView
	Lock   bool // else it is flashed once
	Now    bool // with Lock: also at once
	Impact fleet.Impact
}

// Interrupts reports whether the device restarts at once.
func (b sendBody) Interrupts() bool { return b.Now || !b.Lock }

// Lower reports whether the version is older than what the device runs.
func (b sendBody) Lower() bool {
	return !b.View.Running.IsZero() && b.Version.Compare(b.View.Running) < 0
}

// Back is what the device gets when it was flashed, the zero Version where it keeps it.
func (b sendBody) Back() fleet.Version {
	if b.Lock || b.View.Development || b.View.Target.Equal(b.Version) {
		return fleet.Version{}
	}
	return b.View.Target
}

func (v devicePages) sendPage() error {
	b := sendBody{Lock: v.text("act") == "lock", Now: v.text("flash") != ""}
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
	edit, title := fleet.DeviceEdit{}, "Flash " // an edit of nothing asks for the right alone
	if b.Lock {
		edit, title = fleet.DeviceEdit{Lock: &b.Version, Flash: b.Now}, "Lock "
	}
	if b.Impact, err = v.registry.PreviewDevice(v.ctx(), v.actor, v.product.ID, b.View.ID, edit); err != nil {
		return err
	}
	return v.show("send", title+string(b.View.ID), b)
}
