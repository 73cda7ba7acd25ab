package cloud

import (
	"context"
	"path/filepath"

	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/disk"
)

// build opens what the folder keeps and makes the parts.
func (c *Cloud) build(ctx context.Context) error {
	c.disk = disk.New(c.config.Data, c.log)
	if err := c.openSpools(); err != nil {
		return err
	}
	var err error
	if c.store, err = c.openStore(ctx, !image.Empty(c.imageFolder())); err != nil { // it waits for the Redis of a server that was killed
		return err
	}
	if err := c.openImages(ctx); err != nil {
		return err
	}
	return c.compose(c.images)
}

func (c *Cloud) openStore(ctx context.Context, images bool) (*store.Store, error) {
	options := c.storeOptions(images)
	switch {
	case c.config.Redis.Ephemeral:
		c.log.Warn("the fleet is kept in memory and lost at exit")
		return store.Ephemeral(ctx, options)
	case options.URL != "":
		return store.Open(ctx, options)
	}
	options.Room = c.disk.Check
	return store.Serve(ctx, options)
}

func (c *Cloud) storeOptions(images bool) store.Options {
	return store.Options{
		URL: c.config.Redis.URL.Reveal(), Dir: filepath.Join(c.config.Data, "redis"),
		Folder: c.config.Data, Images: images, AckReplicas: c.config.Redis.AckReplicas, Joined: c.config.Node.Join, Role: c.config.Node.Role, Release: c.config.Version, Log: c.log, Keep: keep(c.config.Retention),
	}
}
