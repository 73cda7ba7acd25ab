package release

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/metadata"
	"github.com/muster-iot/muster/quota"
)

// Limits of what people write about firmware, in bytes.
const (
	MaxTitle       = 128
	MaxDescription = 4 << 10
	MaxNotes       = 8 << 10
	MaxFile        = 255
)

// Upload is a firmware on its way into a product, from Begin to Commit. It is used by one
// goroutine.
type Upload struct {
	service  *Service
	actor    fleet.Actor
	product  fleet.ProductID
	place    *quota.Place
	lost     atomic.Bool    // another team needs the place
	staged   *image.Staged  // nil before Stage
	metadata fleet.Metadata // of staged
}

// Begin starts an upload to product before any bytes travel. The caller ends it with Close.
// Errors: fleet.NotFound for a product that the actor can't see, fleet.Denied.
func (s *Service) Begin(ctx context.Context, actor fleet.Actor, product fleet.ProductID) (*Upload, error) {
	if _, err := s.catalogFor(ctx, actor, fleet.UploadFirmware, product); err != nil {
		return nil, err
	}
	u := &Upload{service: s, actor: actor, product: product}
	var err error
	u.place, err = s.uploads.Take(actor.Team, actor.Email, func() { u.lost.Store(true) })
	return u, err
}

// Upload adds the image that r reads to f.Product, as Commit does, and checks f before it
// reads anything. Errors: those of Begin, Check, Stage and Commit.
func (s *Service) Upload(ctx context.Context, actor fleet.Actor, f fleet.Firmware, r io.Reader) (fleet.Firmware, error) {
	u, err := s.Begin(ctx, actor, f.Product)
	if err != nil {
		return fleet.Firmware{}, err
	}
	defer u.Close()
	if err := u.Check(ctx, f); err != nil {
		return fleet.Firmware{}, err
	}
	if err := u.Stage(ctx, r); err != nil {
		return fleet.Firmware{}, err
	}
	return u.Commit(ctx, f)
}

// Check returns fleet.Invalid for a version that can't be, fleet.Conflict for one that is
// uploaded already, and fleet.Invalid for texts over their limits and for hardware revisions
// that no device can have. A caller that has them
// before the image checks them first, and so does not read an image in vain; Commit checks
// again. No version is correct here: the image may state one.
func (u *Upload) Check(ctx context.Context, f fleet.Firmware) error {
	if err := texts(f); err != nil {
		return err
	}
	if f.Version.IsZero() {
		return nil
	}
	if !f.Version.Valid() {
		return fleet.FieldErrorf("version", "%q is not a version", f.Version)
	}
	c, err := u.service.catalogs.Catalog(ctx, u.product)
	if err != nil {
		return err
	}
	return isNew(c, f.Version)
}

// Stage reads the image to its end, writes it to disk, once, and reads what it states about
// itself. Errors: fleet.Invalid for an empty image and for one that metadata.Read rejects,
// fleet.TooLarge over Config.MaxImage.
func (u *Upload) Stage(ctx context.Context, r io.Reader) error {
	u.discard()
	staged, err := u.service.images.Stage(ctx, keptReader{r, &u.lost}, u.service.maxImage)
	if err != nil {
		return err
	}
	if u.metadata, err = metadata.Read(staged, staged.Size); err != nil {
		u.service.images.Discard(staged)
		return err
	}
	u.staged = staged
	return nil
}

// Commit adds the staged image to the product as the version, title, description and file
// of f, for its hardware, range of versions and floor; it fills in the rest. Without a version
// or a floor it takes those that the image states; a version that differs from it needs
// f.Forced. Errors: those of Check; fleet.Invalid without a staged image, without any version,
// and for a version or a floor that differs.
func (u *Upload) Commit(ctx context.Context, f fleet.Firmware) (fleet.Firmware, error) {
	if u.staged == nil {
		return fleet.Firmware{}, fleet.FieldErrorf("file", "the image is missing")
	}
	f.Metadata = u.metadata
	if err := label(&f); err != nil {
		return fleet.Firmware{}, err
	}
	if err := floor(&f); err != nil {
		return fleet.Firmware{}, err
	}
	if err := u.Check(ctx, f); err != nil {
		return fleet.Firmware{}, err
	}
	f.Product, f.Digest, f.Size = u.product, u.staged.Digest, u.staged.Size
	f.Uploaded, f.By, f.WasReleased, f.Ran = time.Now(), u.actor.Email, false, time.Time{}
	release, err := u.service.quota.Reserve(ctx, u.actor.Team, f.Size)
	if err != nil {
		return fleet.Firmware{}, err
	}
	defer release()
	if err := u.service.add(ctx, f, u.staged); err != nil {
		return fleet.Firmware{}, err
	}
	u.service.recordUpload(ctx, u.actor, f)
	return f, nil
}

// keptReader fails once its upload has lost its place.
type keptReader struct {
	io.Reader
	lost *atomic.Bool
}

func (r keptReader) Read(p []byte) (int, error) {
	if r.lost.Load() {
		return 0, fleet.Errorf(fleet.Busy, "another team needs this upload's place, and yours has more than its share: try again later")
	}
	return r.Reader.Read(p)
}

// Close removes what was staged and not committed. It may be called more than once.
func (u *Upload) Close() {
	u.discard()
	u.place.Leave()
}

func (u *Upload) discard() {
	if u.staged != nil {
		u.service.images.Discard(u.staged)
		u.staged = nil
	}
}

// add makes a staged image the firmware f of its product.
func (s *Service) add(ctx context.Context, f fleet.Firmware, staged *image.Staged) error {
	return s.images.Commit(ctx, f.Product, staged, func(object string) error {
		f.Object = object
		_, err := s.catalogs.EditCatalog(ctx, f.Product, func(c *fleet.Catalog) error {
			if err := isNew(c, f.Version); err != nil {
				return err
			}
			if c.Firmware == nil {
				c.Firmware = make(map[string]fleet.Firmware)
			}
			c.Firmware[f.Version.Key()] = f
			return nil
		})
		return err
	})
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
	}{{"title", f.Title, MaxTitle}, {"description", f.Description, MaxDescription}, {"notes", f.Notes, MaxNotes}, {"file", f.File, MaxFile}} {
		if err := fleet.CheckText(t.field, t.text, t.limit); err != nil {
			return err
		}
	}
	return revisions(f.Hardware)
}

func (s *Service) recordUpload(ctx context.Context, actor fleet.Actor, f fleet.Firmware) {
	fields := audit.Fields{
		"product_id": f.Product, "version": f.Version.String(), "title": f.Title, "description": f.Description, "size": f.Size, "sha256": f.Digest.String(),
	}
	if f.Metadata.Format != fleet.Opaque {
		fields["format"], fields["image_version"], fields["version_forced"] = f.Metadata.Format, f.Metadata.Version, f.Forced
	}
	s.audit.RecordIn(ctx, f.Product, actor, "firmware.create", f.Version.String(), nil, conditions(f, fields))
	s.announce(event.Event{Payload: event.FirmwareUploaded{Version: f.Version}, Team: actor.Team, Product: f.Product, At: time.Now()})
}
