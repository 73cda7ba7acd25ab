package cloud

import (
	"context"
	"io"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/store"
)

// recorder is what operators do about firmware, as ota does it, each write noted in the
// audit log and told to whoever listens.
type recorder struct {
	*ota.Service
	audit    *audit.Log
	catalogs *store.Catalogs
	events   *events
}

// Upload adds a version.
func (r recorder) Upload(ctx context.Context, actor fleet.Actor, f fleet.Firmware, image io.Reader) (fleet.Firmware, error) {
	f, err := r.Service.Upload(ctx, actor, f, image)
	if err != nil {
		return f, err
	}
	r.audit.Record(ctx, actor, "firmware.create", f.Version.String(), nil, map[string]any{
		"product_id": f.Product, "version": f.Version.String(), "title": f.Title, "description": f.Description, "size": f.Size, "sha256": f.Digest.String(),
	})
	r.events.tell(fleet.Event{Payload: fleet.FirmwareUploaded{Version: f.Version}, Team: actor.Team, Product: f.Product, At: time.Now()})
	return f, nil
}

// EditFirmware changes title and description of a version.
func (r recorder) EditFirmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version, edit fleet.FirmwareEdit) (fleet.Released, error) {
	before := r.catalog(ctx, product).Firmware[v.Key()]
	after, err := r.Service.EditFirmware(ctx, actor, product, v, edit)
	if err == nil {
		r.audit.Record(ctx, actor, "firmware.update", after.Version.String(),
			map[string]any{"product_id": product, "title": before.Title, "description": before.Description},
			map[string]any{"product_id": product, "title": after.Title, "description": after.Description})
	}
	return after, err
}

// DeleteFirmware removes a version.
func (r recorder) DeleteFirmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version) error {
	before := r.catalog(ctx, product).Firmware[v.Key()]
	err := r.Service.DeleteFirmware(ctx, actor, product, v)
	if err == nil {
		r.audit.Record(ctx, actor, "firmware.delete", v.String(),
			map[string]any{"product_id": product, "title": before.Title, "sha256": before.Digest.String()}, nil)
	}
	return err
}

// Release carries out an order.
func (r recorder) Release(ctx context.Context, actor fleet.Actor, product fleet.ProductID, order fleet.ReleaseOrder) (fleet.Released, error) {
	before := r.catalog(ctx, product)
	released, err := r.Service.Release(ctx, actor, product, order)
	if err != nil {
		return released, err
	}
	after := r.catalog(ctx, product)
	r.audit.Record(ctx, actor, "firmware.release", order.Version.String(), targets(before), targets(after))
	groups := before.MovedGroups(after)
	r.events.tell(fleet.Event{
		Payload: fleet.FirmwareReleased{Version: order.Version, Immediate: order.Now, Default: after.Default.Equal(order.Version)},
		Team:    actor.Team, Product: product, At: time.Now(),
		Groups: groups, Wide: before.Default != after.Default || len(groups) == 0,
	})
	return released, nil
}

// Stop ends a device's running update.
func (r recorder) Stop(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error {
	err := r.Service.Stop(ctx, actor, id)
	if err == nil {
		r.audit.Record(ctx, actor, "update.stop", string(id), nil, nil)
	}
	return err
}

// Retry counts a device's attempts anew.
func (r recorder) Retry(ctx context.Context, actor fleet.Actor, id fleet.DeviceID) error {
	err := r.Service.Retry(ctx, actor, id)
	if err == nil {
		r.audit.Record(ctx, actor, "update.retry", string(id), nil, nil)
	}
	return err
}

// catalog is product's newest known catalog, an empty one where it can't be read: whether
// the actor may see it, the operation itself asks.
func (r recorder) catalog(ctx context.Context, product fleet.ProductID) *fleet.Catalog {
	c, err := r.catalogs.Catalog(ctx, product)
	if err != nil {
		return &fleet.Catalog{}
	}
	return c
}

// targets says where what is released.
func targets(c *fleet.Catalog) map[string]any {
	groups := make(map[string]string, len(c.Groups))
	for g, v := range c.Groups {
		groups[g.String()] = v.String()
	}
	return map[string]any{"product_id": c.Product.ID, "product_default": c.Default.String(), "groups": groups}
}
