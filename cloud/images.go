package cloud

import (
	"context"
	"path/filepath"
	"time"

	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/ota/image/bucket"
	"github.com/muster-iot/muster/ota/image/s3"
)

// imageFolder is where images are kept as files.
func (c *Cloud) imageFolder() string { return filepath.Join(c.config.Data, "images") }

// openImages opens where firmware images are kept.
func (c *Cloud) openImages(ctx context.Context) error {
	directory, err := image.OpenDirectory(c.imageFolder(), c.store.Catalogs.Catalog)
	if err != nil {
		return err
	}
	directory.Reserve(c.disk.Room)
	c.images = directory
	named, err := c.config.Images.Bucket()
	if err != nil || named.Name == "" {
		return err
	}
	objects, err := s3.Open(s3.Options{Bucket: named.Name, Prefix: named.Prefix, Endpoint: named.Endpoint, Region: named.Region})
	if err != nil {
		return err
	}
	if c.bucket, err = bucket.Open(bucket.Config{
		Objects: objects, Owner: c.store.ID(), Copies: filepath.Join(c.config.Data, "copies"), Cache: int64(c.config.Images.Cache), Room: c.disk.Room,
		Kept: directory, Records: c.store.Catalogs.Catalog, Edit: c.store.Catalogs.EditCatalog, Log: c.log,
	}); err != nil {
		return err
	}
	c.images = c.bucket
	return c.bucket.Start(ctx)
}

// runBucket looks after the bucket of images, if there is one, until ctx ends.
func (c *Cloud) runBucket(ctx context.Context) {
	if c.bucket != nil {
		c.bucket.Run(ctx)
	}
}

// collectEvery is the time between two looks for images without a record.
const collectEvery = 6 * time.Hour

// collectImages removes images that no record names, until ctx ends.
func (c *Cloud) collectImages(ctx context.Context) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		if c.bucket != nil && !c.awaitLease(ctx, leaseImages) { // a folder is its server's own
			return
		}
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
