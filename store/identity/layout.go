package identity

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Layouts of a store that no server uses.
const (
	Arriving  = "arriving"  // it is being moved here from another Redis
	Moved     = "moved"     // to another Redis
	Migrating = "migrating" // some keys have their names of an older layout, others those of this one
)

// First is the layout of stores that do not record one.
const First = "1"

// Older are the layouts that can be migrated to this one.
func Older() []string { return []string{First, "2", Migrating} }

// Current is the layout of this release.
var Current = strconv.Itoa(keys.Layout)

// OtherLayout is the error about a store whose keys are arranged in another way than this release's.
type OtherLayout struct{ Is string }

func (e *OtherLayout) Error() string {
	switch {
	case e.Is == Arriving:
		return "the store is being moved to this Redis: run muster store move again, until it says that it is done"
	case e.Is == Moved:
		return "the store was moved from here to another Redis: let redis.url (--redis) name that"
	case e.Is == Migrating:
		return "the store is being migrated: run muster store migrate again, until it says that it is done"
	case e.Older():
		return fmt.Sprintf("the store has layout %s, and this release needs layout %s: make a backup, then run muster store migrate", e.Is, Current)
	}
	return fmt.Sprintf("the store has layout %.20s, and this release knows layouts up to %s only: start the release that it was last used with, or a later one", e.Is, Current)
}

// Older reports whether the store can be migrated.
func (e *OtherLayout) Older() bool {
	return slices.Contains(Older(), e.Is)
}

// Layout returns the layout of the store at c, that of this release for one that is yet to be
// created. unnamed looks at a Redis without an id.
func Layout(ctx context.Context, c redis.Cmdable, unnamed func(context.Context) (Found, error)) (is string, err error) {
	at, err := c.HMGet(ctx, keys.Store, "id", "layout").Result()
	if err != nil {
		return "", pipeline.Explain(err)
	}
	if text, known := at[1].(string); known {
		return text, nil
	}
	if at[0] != nil {
		return First, nil
	}
	found, err := unnamed(ctx)
	switch {
	case err != nil:
		return "", pipeline.Explain(err)
	case found.Fleet:
		return First, nil
	}
	return Current, nil
}

// SetLayout sets the layout of a store that is held.
func (k *Keeper) SetLayout(ctx context.Context, c redis.Cmdable, layout string) error {
	done, err := layoutScript.Run(ctx, c, holdKeys, k.holder, layout).Int()
	if err == nil && done == 0 {
		err = errLapsed
	}
	return err
}
