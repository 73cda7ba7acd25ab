package cloud

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/store"
)

// MigrateStore brings the store of a server that is stopped to the layout of this release, or with
// dry only reads what there is. Of config it uses Data, Redis and Images.
func MigrateStore(ctx context.Context, config Config, dry bool, say store.Say) error {
	return offline(ctx, config, func(o store.Options) error { return store.Migrate(ctx, o, dry, say) })
}

// MoveStore moves the store of a server that is stopped to the Redis at a URL. Of config it uses
// Data, Redis and Images.
func MoveStore(ctx context.Context, config Config, to string, say store.Say) error {
	return offline(ctx, config, func(o store.Options) error { return store.Move(ctx, o, to, say) })
}

// offline calls work while this process has the data folder of a server that is stopped.
func offline(ctx context.Context, config Config, work func(store.Options) error) (err error) {
	if config.Redis.Ephemeral {
		return errors.New("an ephemeral server keeps no store")
	}
	if err := config.used(); err != nil {
		return err
	}
	config.ReadyFile, config.Node.Join = "", false
	c := unopened(config)
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.alone(ctx); err != nil {
		return err
	}
	return work(c.storeOptions(!image.Empty(c.imageFolder())))
}

// OlderLayout reports whether err means that the store must be migrated first.
func OlderLayout(err error) bool { return store.OlderLayout(err) }
