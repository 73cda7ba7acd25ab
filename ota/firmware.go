package ota

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Limits of what people write about firmware, in bytes.
const (
	MaxTitle       = 128
	MaxDescription = 4 << 10
	MaxFile        = 255
)

// Upload reads an image to its end, keeps it, and adds it to the catalog of f.Product as
// f's version, title, description and file say; the rest of f is filled in. A version can
// be uploaded once. Errors: fleet.Invalid for an empty image, no version, or texts over
// the limit; fleet.TooLarge over Config.MaxImage; fleet.Conflict when the version is there
// already; what fleet.May says.
func (s *Service) Upload(ctx context.Context, actor fleet.Actor, f fleet.Firmware, image io.Reader) (fleet.Firmware, error) {
	c, err := s.catalogFor(ctx, actor, fleet.UploadFirmware, f.Product)
	if err != nil {
		return fleet.Firmware{}, err
	}
	if !f.Version.Valid() {
		return fleet.Firmware{}, fleet.FieldErrorf("version", "the version is missing")
	}
	if err := texts(f); err != nil {
		return fleet.Firmware{}, err
	}
	if err := isNew(c, f.Version); err != nil { // before the bytes travel
		return fleet.Firmware{}, err
	}
	if f.Digest, f.Size, err = s.images.Put(ctx, f.Product, image, s.cfg.MaxImage); err != nil {
		return fleet.Firmware{}, err
	}
	f.Uploaded, f.By, f.Released, f.Ran = time.Now(), actor.Email, false, time.Time{}
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.stillThere(f); err != nil {
		return fleet.Firmware{}, err
	}
	_, err = s.catalogs.EditCatalog(ctx, f.Product, func(c *fleet.Catalog) error {
		if err := isNew(c, f.Version); err != nil {
			return err
		}
		if c.Firmware == nil {
			c.Firmware = make(map[string]fleet.Firmware)
		}
		c.Firmware[f.Version.Key()] = f
		return nil
	})
	if err != nil {
		if !errors.Is(err, fleet.Unavailable) { // then it may have been written after all
			err = errors.Join(err, s.discard(ctx, f.Product, f.Digest))
		}
		return fleet.Firmware{}, err
	}
	return f, nil
}

func isNew(c *fleet.Catalog, v fleet.Version) error {
	if old, ok := c.Find(v); ok {
		return fleet.Errorf(fleet.Conflict, "version %s is uploaded already: choose another version", old.Version)
	}
	return nil
}

func texts(f fleet.Firmware) error {
	for _, t := range []struct {
		field, text string
		limit       int
	}{{"title", f.Title, MaxTitle}, {"description", f.Description, MaxDescription}, {"file", f.File, MaxFile}} {
		if err := fleet.CheckText(t.field, t.text, t.limit); err != nil {
			return err
		}
	}
	return nil
}

// stillThere guards against another version with the same bytes being deleted between Put
// and here.
func (s *Service) stillThere(f fleet.Firmware) error {
	image, err := s.images.Open(f.Product, f.Digest)
	if errors.Is(err, fleet.NotFound) {
		return fleet.Errorf(fleet.Conflict, "the same image was deleted meanwhile: upload it again")
	}
	if err != nil {
		return err
	}
	return image.Close()
}

// discard removes an image that no version of product has. The caller holds s.commit.
func (s *Service) discard(ctx context.Context, product fleet.ProductID, digest fleet.Digest) error {
	c, err := s.catalogs.Catalog(context.WithoutCancel(ctx), product)
	if err != nil {
		return err
	}
	for _, f := range c.Firmware {
		if f.Digest == digest {
			return nil
		}
	}
	return s.images.Delete(product, digest)
}

// unknown is the number of devices while the index is not built.
const unknown = -1

// Firmware lists product's versions, the highest first, each with where it is released, as
// far as actor may see, and how many devices that actor sees run it, or -1 until the index
// is built.
func (s *Service) Firmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID) ([]fleet.Released, error) {
	c, err := s.catalogFor(ctx, actor, fleet.SeeTeam, product)
	if err != nil {
		return nil, err
	}
	running, err := s.runners(actor, c)
	if err != nil {
		return nil, err
	}
	list := make([]fleet.Released, 0, len(c.Firmware))
	for _, f := range c.Firmware {
		list = append(list, tags(actor, c, f, running))
	}
	slices.SortFunc(list, func(a, b fleet.Released) int { return b.Version.Compare(a.Version) })
	return list, nil
}

// released is one version as Firmware lists it.
func (s *Service) released(actor fleet.Actor, c *fleet.Catalog, v fleet.Version) (fleet.Released, error) {
	f, err := find(c, v)
	if err != nil {
		return fleet.Released{}, err
	}
	running, err := s.runners(actor, c)
	if err != nil {
		return fleet.Released{}, err
	}
	return tags(actor, c, f, running), nil
}

// runners counts the devices actor sees by the version they run; nil until the index is
// built.
func (s *Service) runners(actor fleet.Actor, c *fleet.Catalog) (map[string]int, error) {
	running := make(map[string]int, len(c.Firmware))
	err := s.index.Count(actor, c.Product.ID, func(e *fleet.IndexEntry, devices int) { running[e.Running.Key()] += devices })
	if errors.Is(err, fleet.Unavailable) {
		return nil, nil
	}
	return running, err
}

// tags says where f is released, as far as actor may see.
func tags(actor fleet.Actor, c *fleet.Catalog, f fleet.Firmware, running map[string]int) fleet.Released {
	r := fleet.Released{Firmware: f, Default: c.Default.Equal(f.Version), Devices: unknown, Tag: tagOf(actor, c, f)}
	if running != nil {
		r.Devices = running[f.Version.Key()]
	}
	for g, v := range c.Groups {
		if v.Equal(f.Version) && mayGroup(actor, fleet.SeeGroup, c, g) == nil {
			r.Groups = append(r.Groups, g)
		}
	}
	slices.Sort(r.Groups)
	return r
}

// tagOf changes with f's texts, and with any release in c that actor may see: an order for
// one version may take a group from another.
func tagOf(actor fleet.Actor, c *fleet.Catalog, f fleet.Firmware) string {
	released := make(map[fleet.GroupID]string, len(c.Groups))
	for g, v := range c.Groups {
		if mayGroup(actor, fleet.SeeGroup, c, g) == nil {
			released[g] = v.String()
		}
	}
	return fleet.TagOf(f.Version.String(), f.Title, f.Description, c.Default.String(), released)
}

// EditFirmware changes title and description of a version; nil leaves as it is. Errors:
// fleet.NotFound, fleet.Invalid for texts over the limit, fleet.Conflict when edit.If is
// not the version's tag, what fleet.May says.
func (s *Service) EditFirmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version, edit fleet.FirmwareEdit) (fleet.Released, error) {
	if _, err := s.catalogFor(ctx, actor, fleet.EditProducts, product); err != nil {
		return fleet.Released{}, err
	}
	c, err := s.catalogs.EditCatalog(ctx, product, func(c *fleet.Catalog) error {
		f, err := find(c, v)
		if err != nil {
			return err
		}
		if err := fleet.Unchanged("firmware "+f.Version.String(), edit.If, tagOf(actor, c, f)); err != nil {
			return err
		}
		if edit.Title != nil {
			f.Title = *edit.Title
		}
		if edit.Description != nil {
			f.Description = *edit.Description
		}
		c.Firmware[f.Version.Key()] = f
		return texts(f)
	})
	if err != nil {
		return fleet.Released{}, err
	}
	return s.released(actor, c, v)
}

// DeleteFirmware removes a version and its image. Errors: fleet.Conflict when it was ever
// released or a device is locked to it, fleet.NotFound, fleet.Unavailable until the index
// is built, what fleet.May says.
func (s *Service) DeleteFirmware(ctx context.Context, actor fleet.Actor, product fleet.ProductID, v fleet.Version) error {
	c, err := s.catalogFor(ctx, actor, fleet.EditProducts, product)
	if err != nil {
		return err
	}
	f, err := find(c, v)
	if err != nil {
		return err
	}
	locked := 0
	if err := s.index.Count(actor, product, func(e *fleet.IndexEntry, devices int) { // who may delete sees all
		if e.Lock.Equal(v) {
			locked += devices
		}
	}); err != nil {
		return err
	}
	if locked > 0 {
		return fleet.Errorf(fleet.Conflict, "%d devices are locked to version %s: unlock them first", locked, v)
	}
	s.commit.Lock()
	defer s.commit.Unlock()
	if _, err := s.catalogs.EditCatalog(ctx, product, func(c *fleet.Catalog) error {
		f, err := find(c, v)
		if err != nil {
			return err
		}
		if f.Released {
			return fleet.Errorf(fleet.Conflict, "version %s was released: released firmware is kept", f.Version)
		}
		delete(c.Firmware, f.Version.Key())
		return nil
	}); err != nil {
		return err
	}
	return s.discard(ctx, product, f.Digest)
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
	image, err := s.images.Open(product, f.Digest)
	if err != nil {
		return nil, fleet.Firmware{}, err
	}
	return image, f, nil
}
