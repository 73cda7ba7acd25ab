package cloud

import (
	"context"
	"errors"

	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/store"
)

// MigrateStore brings the store of a server that is stopped to the layout of this release, or with
// dry only reads what there is. It calls say with what it does. Of config it uses Data, Redis and
// Images.
func MigrateStore(ctx context.Context, config Config, dry bool, say func(format string, args ...any)) (err error) {
	if config.Redis.Ephemeral {
		return errors.New("an ephemeral server keeps no store")
	}
	if err := config.used(); err != nil {
		return err
	}
	config.ReadyFile = ""
	c := unopened(config)
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.alone(ctx); err != nil {
		return err
	}
	return store.Migrate(ctx, c.storeOptions(!image.Empty(c.imageFolder())), dry, say)
}

// OlderLayout reports whether err means that the store must be migrated first.
func OlderLayout(err error) bool { return store.OlderLayout(err) }
