package cloud

import (
	"context"
	"path/filepath"
	"time"

	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/ota/image"
)

// imageFolder is where images are kept as files.
func (c *Cloud) imageFolder() string { return filepath.Join(c.config.Data, "images") }

// openImages opens where firmware images are kept.
func (c *Cloud) openImages() (image.Store, error) {
	images, err := image.OpenDirectory(c.imageFolder(), c.store.Catalogs.Catalog)
	if err != nil {
		return nil, err
	}
	images.Reserve(c.disk.Room)
	return images, nil
}

// collectEvery is the time between two looks for images without a record.
const collectEvery = 6 * time.Hour

// collectImages removes images that no record names, until ctx ends.
func (c *Cloud) collectImages(ctx context.Context) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		removed, err := c.images.Collect(ctx)
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
