package identity

import (
	"context"
	"fmt"
	"sync"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// markField of the store hash records that every part of the Cluster has its mark.
const markField = "marks"

// mark is a hash by which a master is known to be one of a store's: its fields are id and beat.
// The first is the store hash itself. In a Cluster there are 64 more, a 64th of the slots apart,
// so that each master holds some: one that was emptied or replaced is noticed whichever it is.
type mark struct {
	key string

	// renewing is held while Redis is asked. Recognize must not take it: a renewal may need a
	// new connection, which is recognized before it is used.
	renewing sync.Mutex
	beat     uint64 // guarded by renewing

	server string // which run of which Redis has it; "" while unknown; guarded by Keeper.mu
}

// newMarks returns the store hash and, for a Cluster, a mark for each part of the slots.
func newMarks(cluster bool) []*mark {
	marks := []*mark{{key: keys.Store}}
	if !cluster {
		return marks
	}
	for _, key := range keys.Marks {
		marks = append(marks, &mark{key: key})
	}
	return marks
}

// markOf returns the mark by which m is known, nil if it holds none: it has few slots then.
func (k *Keeper) markOf(m pipeline.Master) *mark {
	for _, mark := range k.marks {
		if m.Holds(mark.key) {
			return mark
		}
	}
	return nil
}

// markAll gives each part of the Cluster its mark when the store is used there for the first time,
// and later looks whether all have it. at returns the master of a key.
func (k *Keeper) markAll(ctx context.Context, id string, at func(key string) (pipeline.Master, error)) error {
	m, err := at(keys.Store)
	if err != nil {
		return err
	}
	marked, err := m.HExists(ctx, keys.Store, markField).Result()
	if err != nil {
		return err
	}
	missing := "1"
	if marked {
		missing = "0"
	}
	for _, mark := range k.marks[1:] {
		m, err := at(mark.key)
		if err != nil {
			return err
		}
		a, err := run(ctx, m, markScript, []string{mark.key}, id, missing)
		switch {
		case err != nil:
			return err
		case a.found == "other" && a.id == "":
			return fmt.Errorf("a part of the Redis Cluster does not hold the store %s: a master was emptied, or replaced by an empty replica; "+
				"restore its data, or that of all masters, from a backup", short(id))
		case a.found == "other":
			return fmt.Errorf("a part of the Redis Cluster holds another store (%s) than the rest (%s): restore all masters from one backup", short(a.id), short(id))
		}
		mark.renewing.Lock()
		mark.beat = a.beat
		mark.renewing.Unlock()
	}
	return m.HSet(ctx, keys.Store, markField, "1").Err()
}
