package release

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// unknown is the number of devices while the index is not built.
const unknown = -1

// Firmware lists product's versions, the highest first, each with where it is released, as
// far as actor may see, and how many of the devices that actor sees run it, or -1 until the
// index is built.
func (s *Service) Firmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.FirmwareView, error) {
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return nil, err
	}
	running, err := s.runners(actor, c)
	if err != nil {
		return nil, err
	}
	list := make([]fleet.FirmwareView, 0, len(c.Firmware))
	for _, f := range c.Firmware {
		list = append(list, tags(actor, c, f, running))
	}
	slices.SortFunc(list, func(a, b fleet.FirmwareView) int { return b.Version.Compare(a.Version) })
	return list, nil
}

// released is one version as Firmware lists it.
func (s *Service) released(actor fleet.Actor, c *fleet.Catalog, v fleet.Version) (fleet.FirmwareView, error) {
	f, err := find(c, v)
	if err != nil {
		return fleet.FirmwareView{}, err
	}
	running, err := s.runners(actor, c)
	if err != nil {
		return fleet.FirmwareView{}, err
	}
	return tags(actor, c, f, running), nil
}

// runners counts the devices actor sees by the version they run; nil until the index is
// built.
func (s *Service) runners(actor fleet.Actor, c *fleet.Catalog) (map[string]int, error) {
	running := make(map[string]int, len(c.Firmware))
	err := s.index.Count(actor, c.Product.ID, nil, func(e *fleet.IndexEntry, devices int) { running[e.Running.Key()] += devices })
	if errors.Is(err, fleet.Unavailable) {
		return nil, nil
	}
	return running, err
}

// tags returns where f is released, as far as actor may see.
func tags(actor fleet.Actor, c *fleet.Catalog, f fleet.Firmware, running map[string]int) fleet.FirmwareView {
	r := fleet.FirmwareView{Firmware: f, Default: c.Default.Equal(f.Version), Devices: unknown, Tag: tagOf(actor, c, f)}
	if running != nil {
		r.Devices = running[f.Version.Key()]
	}
	for g, v := range c.Groups {
		if v.Equal(f.Version) && mayGroup(actor, fleet.SeeGroup, c, g) == nil {
			r.Groups = append(r.Groups, g)
		}
	}
	slices.Sort(r.Groups)
	for g, staged := range c.Staged {
		if staged.Version.Equal(f.Version) && staged.ID > r.Staged.ID && (g == 0 || mayGroup(actor, fleet.SeeGroup, c, g) == nil) {
			r.Staged = staged
		}
	}
	if actor.Role.Restricted() { // an earlier release may have been to a group they can't see
		r.WasReleased = r.Default || len(r.Groups) > 0
	}
	return r
}

// tagOf changes with f's texts, and with any release in c that actor may see: an order for
// one version may take a group from another.
func tagOf(actor fleet.Actor, c *fleet.Catalog, f fleet.Firmware) string {
	released := make(map[fleet.GroupID]string, len(c.Groups))
	for g, v := range c.Groups {
		if mayGroup(actor, fleet.SeeGroup, c, g) == nil {
			released[g] = v.String() + "/" + c.Staged[g].ID.String()
		}
	}
	return fleet.TagOf(f.Version.String(), f.Title, f.Description, f.Notes, f.Hardware, f.Requires.String(), c.Default.String(), c.Staged[0].ID, released)
}

// EditFirmware changes the texts of a version, and which devices can take it; nil
// leaves as it is. Errors: fleet.NotFound, fleet.Invalid for texts over
// the limit, fleet.Conflict when edit.If is not the version's tag.
func (s *Service) EditFirmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version, edit fleet.FirmwareEdit) (fleet.FirmwareView, error) {
	if _, err := s.catalogFor(ctx, actor, fleet.EditProducts, product); err != nil {
		return fleet.FirmwareView{}, err
	}
	var before, after fleet.Firmware
	c, err := s.catalogs.EditCatalog(ctx, product, func(c *fleet.Catalog) (err error) {
		if before, err = find(c, v); err != nil {
			return err
		}
		after = before
		if err := fleet.Unchanged("firmware "+before.Version.String(), edit.If, tagOf(actor, c, before)); err != nil {
			return err
		}
		if edit.Title != nil {
			after.Title = *edit.Title
		}
		if edit.Description != nil {
			after.Description = *edit.Description
		}
		if edit.Notes != nil {
			after.Notes = *edit.Notes
		}
		if edit.Hardware != nil {
			after.Hardware = *edit.Hardware
		}
		if edit.Requires != nil {
			after.Requires = *edit.Requires
		}
		c.Firmware[after.Version.Key()] = after
		return texts(after)
	})
	if err != nil {
		return fleet.FirmwareView{}, err
	}
	fields := func(f fleet.Firmware) audit.Fields {
		return conditions(f, audit.Fields{"product_id": product, "title": f.Title, "description": f.Description, "notes": f.Notes})
	}
	s.audit.RecordIn(ctx, product, actor, "firmware.update", after.Version.String(), fields(before), fields(after))
	return s.released(actor, c, v)
}

// DeleteFirmware removes a version and its image. Errors: fleet.Conflict when it was ever
// released or a device is locked to it, fleet.NotFound, fleet.Unavailable until the index
// is built.
func (s *Service) DeleteFirmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version) error {
	c, err := s.catalogFor(ctx, actor, fleet.EditProducts, product)
	if err != nil {
		return err
	}
	if _, err := find(c, v); err != nil {
		return err
	}
	if err := s.notLocked(actor, product, v); err != nil {
		return err
	}
	var f fleet.Firmware
	if _, err := s.catalogs.EditCatalog(ctx, product, func(c *fleet.Catalog) (err error) {
		if f, err = find(c, v); err != nil {
			return err
		}
		if f.WasReleased {
			return fleet.Errorf(fleet.Conflict, "version %s was released: released firmware is kept", f.Version)
		}
		delete(c.Firmware, f.Version.Key())
		return nil
	}); err != nil {
		return err
	}
	s.audit.RecordIn(ctx, product, actor, "firmware.delete", v.String(),
		audit.Fields{"product_id": product, "title": f.Title, "sha256": f.Digest.String()}, nil)
	return s.images.Delete(context.WithoutCancel(ctx), product, f.Digest, f.Object)
}

// notLocked returns fleet.Conflict while devices are locked to v. An actor who may delete
// firmware sees all devices.
func (s *Service) notLocked(actor fleet.Actor, product fleet.ProductID, v fleet.Version) error {
	locked := 0
	err := s.index.Count(actor, product, nil, func(e *fleet.IndexEntry, devices int) {
		if e.Lock.Equal(v) {
			locked += devices
		}
	})
	if err == nil && locked > 0 {
		return fleet.Errorf(fleet.Conflict, "%d devices are locked to version %s: unlock them first", locked, v)
	}
	return err
}

// Image opens the image of a version for download; the caller closes it.
func (s *Service) Image(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version) (io.ReadCloser, fleet.Firmware, error) {
	c, err := s.catalogFor(ctx, actor, fleet.DownloadImage, product)
	if err != nil {
		return nil, fleet.Firmware{}, err
	}
	f, err := find(c, v)
	if err != nil {
		return nil, fleet.Firmware{}, err
	}
	file, err := s.images.Open(ctx, product, f.Digest)
	if err != nil {
		return nil, fleet.Firmware{}, err
	}
	return file, f, nil
}
