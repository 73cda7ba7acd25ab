package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Found is what Take needs of a Redis without an id.
type Found struct {
	Fleet  bool // it has a fleet, of a Muster before there were ids
	Images bool // the data folder has firmware images
}

// Take makes this process the holder of the store. While another process's lease lasts, Take
// waits to see whether that renews it. It returns an error that says what to do when another
// process holds the store, when Redis is empty but the folder belongs to a store, and when they
// belong to different ones, and an *OtherLayout when this release does not support the layout of its
// keys. at returns the master of a key; unnamed looks at a Redis without an id.
func (k *Keeper) Take(ctx context.Context, at func(key string) (pipeline.Master, error), unnamed func(context.Context) (Found, error)) error {
	c, err := at(keys.Store)
	if err != nil {
		return err
	}
	if k.config.Shared {
		return k.share(ctx, c)
	}
	n, err := readNote(k.config.Folder)
	if err != nil {
		return err
	}
	layout, err := Layout(ctx, c, unnamed)
	if err != nil {
		return err
	}
	if layout != Current && !slices.Contains(k.config.Layouts, layout) {
		return &OtherLayout{Is: layout}
	}
	var beat uint64
	for first := true; ; first = false {
		a, err := k.take(ctx, c, n.ID, layout, unnamed)
		switch {
		case err != nil:
			return err
		case a.found == "taken":
			return k.taken(ctx, at, n, a)
		case a.found == "absent":
			return k.refuse(n.ID, "redis is empty, but %[1]s belongs to the store %[2]s: let redis.url name the Redis of that store, "+
				"or restore it from a backup; to begin a new fleet, choose another data folder")
		case a.found == "other":
			return k.refuse(n.ID, "redis holds the store "+short(a.id)+", but %[1]s belongs to the store %[2]s: "+
				"correct redis.url or data, so that they belong together")
		}
		if !first && a.beat != beat {
			return k.occupied(a.place)
		}
		if first {
			k.config.Log.Warn("redis was in use by another Muster: waiting to see whether it still is", "holder", shown(a.place), "at_most", k.term.lease)
		}
		beat = a.beat
		select {
		case <-ctx.Done():
			return fmt.Errorf("another Muster (%s) may still use this Redis: %w", shown(a.place), context.Cause(ctx))
		case <-time.After(Every + Every/4):
		}
	}
}

// occupied is the error for a store that other processes hold.
func (k *Keeper) occupied(place string) error {
	if k.config.Joined {
		return fmt.Errorf("another Muster uses this Redis (%s) and was started without --join (node.join): stop it first, and start it with --join as well", shown(place))
	}
	if place == joined {
		return errors.New("servers started with --join (node.join) use this Redis: stop them first, or start this one with --join as well")
	}
	return fmt.Errorf("another Muster uses this Redis (%s): stop it first; several servers share a Redis only if all of them were started with --join (node.join)", shown(place))
}

func (k *Keeper) share(ctx context.Context, c pipeline.Master) error {
	id, err := c.HGet(ctx, keys.Store, "id").Result()
	k.known.Store(&id)
	return err
}

// take tries once.
func (k *Keeper) take(ctx context.Context, c pipeline.Master, id, layout string, unnamed func(context.Context) (Found, error)) (answer, error) {
	adopt := "0"
	if id == "" {
		found, err := unnamed(ctx)
		if err != nil {
			return answer{}, pipeline.Explain(err)
		}
		if found.Fleet || !found.Images {
			adopt = "1"
		}
	}
	a, err := run(ctx, c, takeScript, holdKeys, id, rand.Text(), k.holder, k.place, k.term.lease.Milliseconds(), adopt, layout, k.noted())
	if err != nil {
		return a, pipeline.Explain(err)
	}
	return a, nil
}

// taken notes what was taken.
func (k *Keeper) taken(ctx context.Context, at func(key string) (pipeline.Master, error), n note, a answer) error {
	c, err := at(keys.Store)
	if err == nil && k.config.Cluster {
		err = k.markAll(ctx, a.id, at)
	}
	if err != nil {
		_ = k.release(ctx, c) // else the next start waits
		return err
	}
	if a.epoch <= n.Epoch {
		k.config.Log.Warn("redis has older data than this data folder: writes that were acknowledged may be missing", "epoch", a.epoch-1, "seen", n.Epoch)
		a.epoch = n.Epoch + 1
		k.config.Changed(Change{Older: true})
		if err := c.HSet(ctx, keys.Store, "term", strconv.FormatUint(a.epoch, 10)).Err(); err != nil {
			return err
		}
	}
	k.marks[0].renewing.Lock()
	k.epoch, k.marks[0].beat = a.epoch, a.beat
	k.marks[0].renewing.Unlock()
	k.confirmed.Store(int64(time.Since(k.began)))
	k.known.Store(&a.id)
	return note{ID: a.id, Epoch: a.epoch}.write(k.config.Folder)
}

// refuse returns an error about the folder and the store it belongs to.
func (k *Keeper) refuse(id, format string) error {
	path := filepath.Join(k.config.Folder, noteName)
	if id == "" {
		return fmt.Errorf("redis is empty, but %s holds firmware images of a fleet: let redis.url name the Redis of that fleet, "+
			"or restore it from a backup; to begin a new fleet, choose another data folder", k.config.Folder)
	}
	return fmt.Errorf(format+" (%s)", k.config.Folder, short(id), path)
}
