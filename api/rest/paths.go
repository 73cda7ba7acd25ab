package rest

import (
	"context"

	"github.com/muster-iot/muster/fleet"
)

// Target is a device as a path names it, within a product or, with product 0, the team.
type Target struct {
	Product fleet.ProductID
	Device  fleet.DeviceID
}

// ProductPath names a product.
type ProductPath struct {
	ProductName string `path:"product" doc:"Product id or slug" example:"lamp"`
	product     fleet.Product
}

// Found returns the product.
func (p *ProductPath) Found() fleet.Product { return p.product }

// Find looks the product up.
func (p *ProductPath) Find(ctx context.Context, a *API, who fleet.Actor) (err error) {
	p.product, err = a.Registry.Product(ctx, who, p.ProductName)
	return err
}

// DevicePath names a device of a product.
type DevicePath struct {
	ProductPath
	Device string `path:"device" doc:"Device id" example:"lamp-7"`
	target Target
}

// Target returns the device.
func (p *DevicePath) Target() Target { return p.target }

// Find looks the product up and parses the device id.
func (p *DevicePath) Find(ctx context.Context, a *API, who fleet.Actor) error {
	if err := p.ProductPath.Find(ctx, a, who); err != nil {
		return err
	}
	id, err := deviceID(p.Device)
	p.target = Target{Product: p.product.ID, Device: id}
	return err
}

// See looks the device up.
func (p *DevicePath) See(ctx context.Context, a *API, who fleet.Actor) error {
	return a.see(ctx, who, p.target)
}

// TeamDevicePath names a device of the team.
type TeamDevicePath struct {
	Device string `path:"device" doc:"Device id" example:"lamp-7"`
	target Target
}

// Target returns the device, with product 0.
func (p *TeamDevicePath) Target() Target { return p.target }

// Find parses the device id.
func (p *TeamDevicePath) Find(context.Context, *API, fleet.Actor) (err error) {
	p.target.Device, err = deviceID(p.Device)
	return err
}

// See looks the device up.
func (p *TeamDevicePath) See(ctx context.Context, a *API, who fleet.Actor) error {
	return a.see(ctx, who, p.target)
}

// see returns fleet.NotFound when the actor can't see a device.
func (a *API) see(ctx context.Context, who fleet.Actor, t Target) error {
	_, err := a.Registry.Device(ctx, who, t.Product, t.Device)
	return err
}

// deviceID parses an id in a path. One that can't be a device id names no device.
func deviceID(text string) (fleet.DeviceID, error) {
	id, err := fleet.ParseDeviceID(text)
	if err != nil {
		return "", fleet.Errorf(fleet.NotFound, "no such device: %.140s", text)
	}
	return id, nil
}

// FirmwarePath names a firmware of a product.
type FirmwarePath struct {
	ProductPath
	Version string `path:"version" doc:"Version of the firmware" example:"7"`
	version fleet.Version
}

// Find looks the product up and parses the version. One that can't be a version names no firmware.
func (p *FirmwarePath) Find(ctx context.Context, a *API, who fleet.Actor) error {
	err := p.ProductPath.Find(ctx, a, who)
	if err != nil {
		return err
	}
	if p.version, err = fleet.ParseVersion(p.Version); err != nil {
		return fleet.Errorf(fleet.NotFound, "no such firmware: %.70s", p.Version)
	}
	return nil
}

// GroupPath names a group that a product's devices may be in.
type GroupPath struct {
	ProductPath
	Group string `path:"group" doc:"Group name" example:"prerelease"`
}

// See looks the group up.
func (p *GroupPath) See(ctx context.Context, a *API, who fleet.Actor) error {
	_, err := a.Registry.Group(ctx, who, p.product.ID, p.Group)
	return err
}

// AlertPath names an alert.
type AlertPath struct {
	Alert string `path:"alert" doc:"Alert id"`
}

// See looks the alert up. All members see all alerts of their team.
func (p *AlertPath) See(ctx context.Context, a *API, who fleet.Actor) error {
	_, err := a.Registry.Alert(ctx, who, p.Alert)
	return err
}

// UserPath names a user of the team.
type UserPath struct {
	Email string `path:"email" example:"me@example.com"`
}

// See looks the user up.
func (p *UserPath) See(ctx context.Context, a *API, who fleet.Actor) error {
	_, err := a.teamUser(ctx, who, p.Email)
	return err
}

// TokenPath names a token.
type TokenPath struct {
	Token string `path:"token" doc:"A token's id, or its secret"`
}
