package cloud

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/registry"
	"github.com/muster-iot/muster/store/spool"
)

// Sizes of the files that keep what could not be written to Redis, in bytes.
const (
	fencesSize    = 64 << 10 // some thousand batches
	unauditedSize = 1 << 20  // some thousand audit entries
)

// openSpools opens the files of the data folder that keep what Redis does not take. An ephemeral
// server has none.
func (c *Cloud) openSpools() (err error) {
	if c.config.Redis.Ephemeral {
		return nil
	}
	if c.folder.fences, err = spool.Open(filepath.Join(c.config.Data, "fences"), fencesSize); err != nil {
		return err
	}
	c.folder.unaudited, err = spool.Open(filepath.Join(c.config.Data, "unaudited"), unauditedSize)
	return err
}

// fences returns the journal's fences; a nil interface when there are none.
func (c *Cloud) fences() registry.Fences {
	if c.folder.fences == nil {
		return nil
	}
	return c.folder.fences
}

// closeSpools undoes openSpools, as far as that has come.
func (f *folder) closeSpools() error {
	var errs []error
	for _, s := range []*spool.Spool{f.fences, f.unaudited} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// collectEvery is the time between two looks for images without a record.
const collectEvery = 6 * time.Hour

// collectImages removes images that no record names, until ctx ends.
func (c *Cloud) collectImages(ctx context.Context) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		removed, err := c.images.Collect(func(product fleet.ProductID, digest fleet.Digest) (bool, error) {
			return c.named(ctx, product, digest)
		})
		if err != nil {
			c.log.Log(ctx, activity.LevelOf(err), "images without a record could not be removed", "err", err)
		}
		if removed > 0 {
			c.log.Info("removed images that no record names", "images", removed)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// named reports whether a version of product has an image.
func (c *Cloud) named(ctx context.Context, product fleet.ProductID, digest fleet.Digest) (bool, error) {
	catalog, err := c.store.Catalogs.Catalog(ctx, product)
	if errors.Is(err, fleet.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, f := range catalog.Firmware {
		if f.Digest == digest {
			return true, nil
		}
	}
	return false, nil
}
