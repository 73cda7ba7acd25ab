package identity

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// OtherLayout is the error about a store whose keys are arranged in another way than this release's.
type OtherLayout struct{ Is int }

func (e *OtherLayout) Error() string {
	if e.Older() {
		return fmt.Sprintf("the store has layout %d, and this release needs layout %d: make a backup, then run muster store migrate", e.Is, keys.Layout)
	}
	return fmt.Sprintf("the store has layout %d, and this release knows layouts up to %d only: start the release that it was last used with, or a later one", e.Is, keys.Layout)
}

// Older reports whether the store can be migrated.
func (e *OtherLayout) Older() bool { return e.Is < keys.Layout }

// Layout returns the layout of the store at c, that of this release for one that is yet to be
// created. unnamed looks at a Redis without an id.
func Layout(ctx context.Context, c redis.Cmdable, unnamed func(context.Context) (Found, error)) (is int, err error) {
	at, err := c.HMGet(ctx, keys.Store, "id", "layout").Result()
	if err != nil {
		return 0, pipeline.Explain(err)
	}
	is = keys.Layout
	switch text, known := at[1].(string); {
	case known:
		if is, err = strconv.Atoi(text); err != nil {
			return 0, fmt.Errorf("the store's layout is %.20q, which is no number", text)
		}
	case at[0] != nil:
		is = 1
	default:
		found, err := unnamed(ctx)
		if err != nil {
			return 0, pipeline.Explain(err)
		}
		if found.Fleet {
			is = 1
		}
	}
	return is, nil
}

// Migrated sets the layout of a store that is held to that of this release.
func (k *Keeper) Migrated(ctx context.Context, c redis.Cmdable) error {
	done, err := migratedScript.Run(ctx, c, holdKeys, k.holder, keys.Layout).Int()
	if err == nil && done == 0 {
		err = errLapsed
	}
	return err
}
