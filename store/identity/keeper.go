package identity

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

const (
	// Every is the time between two renewals.
	Every = 2 * time.Second
	lease = 10 * time.Second // how long a store is held without a renewal
	slack = 2 * time.Second  // before the end of its lease a holder stops to write
)

// Keys of Redis; their tag puts them on one node of a Cluster.
const (
	storeKey = "id:{store}"    // hash: id, epoch, beat (renewals), place (of the holder)
	leaseKey = "lease:{store}" // string: the holder; expires
)

var (
	//go:embed take.lua
	takeSource string
	//go:embed renew.lua
	renewSource string
	//go:embed release.lua
	releaseSource string

	takeScript    = redis.NewScript(takeSource)
	renewScript   = redis.NewScript(renewSource)
	releaseScript = redis.NewScript(releaseSource)
)

// Change is how the data of a Redis may differ from what this process has seen of it.
type Change struct {
	Older bool // acknowledged writes are missing
}

// Config is what a Keeper works with.
type Config struct {
	Folder string // keeps the id of its store; "" for none
	Alone  string // a folder that this process has locked; "" for none
	Shared bool   // tests of the store open it twice: no lease is taken
	Log    *slog.Logger

	// Changed is called when Redis was restarted, replaced by a replica, or has older data. It
	// must not block.
	Changed func(Change)
	// Lost is called once when another process holds the store. It must not block.
	Lost func(error)
}

// Keeper holds one store for this process. It is safe for concurrent use.
type Keeper struct {
	config    Config
	holder    string
	place     string
	began     time.Time
	confirmed atomic.Int64           // ns after began
	known     atomic.Pointer[string] // the id of the store; nil before Take

	lost atomic.Pointer[pipeline.Foreign] // why this process may no longer use the store

	// renewing is held while Redis is asked. Recognize must not take it: a renewal may need a
	// new connection, which is recognized before it is used.
	renewing sync.Mutex
	epoch    uint64 // guarded by renewing
	beat     uint64 // guarded by renewing

	mu     sync.Mutex // never held while Redis is asked
	server string     // which run of which Redis; "" while unknown; guarded by mu
}

// New returns a Keeper. Take must be called next.
func New(config Config) *Keeper {
	k := &Keeper{config: config, holder: rand.Text(), began: time.Now()}
	if k.place = k.holder; config.Alone != "" { // without a lock, nothing keeps others out of its place
		k.place = place(config.Alone)
	}
	return k
}

// answer is the reply of take.lua and renew.lua.
type answer struct {
	found, id     string
	epoch, beat   uint64
	holder, place string
}

func run(ctx context.Context, c redis.Cmdable, s *redis.Script, args ...any) (a answer, err error) {
	words, err := s.Run(ctx, c, []string{storeKey, leaseKey}, args...).StringSlice()
	if err != nil || len(words) != 6 {
		return a, err
	}
	number := func(s string) uint64 {
		n, _ := strconv.ParseUint(s, 10, 64) // written by the scripts
		return n
	}
	return answer{words[0], words[1], number(words[2]), number(words[3]), words[4], words[5]}, nil
}

// Recognize returns nil if c has this process's store. It reads only.
func (k *Keeper) Recognize(ctx context.Context, c redis.Cmdable) error {
	known := k.known.Load()
	if known == nil {
		return nil
	}
	pipe := c.Pipeline()
	id, info := pipe.HGet(ctx, storeKey, "id"), pipe.InfoMap(ctx, "server", "replication")
	_ = pipeline.Exec(ctx, pipe) // each reply has its own error
	if err := id.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if id.Val() != *known {
		return foreign(*known, id.Val())
	}
	k.ran(info.Val())
	return nil
}

// ran compares which run of which Redis this is with the last one. A Redis that does not
// reveal it is only known by its beats.
func (k *Keeper) ran(info map[string]map[string]string) {
	server := info["Server"]["run_id"] + info["Replication"]["master_replid"]
	if server == "" {
		return
	}
	k.mu.Lock()
	changed := k.server != "" && k.server != server
	k.server = server
	k.mu.Unlock()
	if changed {
		k.config.Changed(Change{})
	}
}

// Confirm renews the lease. It returns an error if Redis does not answer or can't be written
// to, a *pipeline.Foreign if it has another store, and always the same error from the moment
// another process holds the store.
func (k *Keeper) Confirm(ctx context.Context, c redis.Cmdable) error {
	known := k.known.Load()
	if known == nil {
		return nil
	}
	if err := k.Recognize(ctx, c); err != nil { // by its own connection: a master may have become a replica
		return err
	}
	k.renewing.Lock()
	defer k.renewing.Unlock()
	if lost := k.lost.Load(); lost != nil {
		return lost
	}
	began := time.Since(k.began)
	holder := k.holder
	if k.config.Shared {
		holder = ""
	}
	a, err := run(ctx, c, renewScript, *known, holder, k.place, strconv.FormatUint(k.epoch, 10), lease.Milliseconds())
	switch {
	case err != nil:
		return err
	case a.found == "other":
		return foreign(*known, a.id)
	case a.found == "held" && k.config.Shared:
	case a.found == "held":
		lost := &pipeline.Foreign{Text: "another Muster uses this Redis now (" + shown(a.place) + "): this one must end"}
		k.lost.Store(lost)
		k.config.Lost(lost)
		return lost
	}
	k.confirmed.Store(int64(began))
	if k.config.Shared {
		return nil
	}
	older := a.beat <= k.beat
	if older || a.epoch != k.epoch {
		if older {
			k.config.Log.Warn("redis came back with older data: writes that were acknowledged are missing", "at_least", time.Duration(k.beat-a.beat)*Every)
		}
		k.config.Changed(Change{Older: older})
	}
	k.epoch, k.beat = a.epoch, a.beat
	return nil
}

// Lapsed reports whether the lease may have run out since the last Confirm, or is lost.
func (k *Keeper) Lapsed() bool {
	if k.lost.Load() != nil {
		return true
	}
	return time.Since(k.began)-time.Duration(k.confirmed.Load()) > lease-slack && k.known.Load() != nil && !k.config.Shared
}

// Release ends the lease, so that the next process need not wait for its end.
func (k *Keeper) Release(ctx context.Context, c redis.Cmdable) error {
	if k.known.Load() == nil || k.config.Shared {
		return nil
	}
	return releaseScript.Run(ctx, c, []string{storeKey, leaseKey}, k.holder).Err()
}

func foreign(want, is string) error {
	if is == "" {
		return &pipeline.Foreign{Text: fmt.Sprintf("redis is empty, or does not hold the store %s: it was replaced or flushed; "+
			"nothing is written to it until the right one is back", short(want))}
	}
	return &pipeline.Foreign{Text: fmt.Sprintf("redis holds another store (%s) than this server's (%s): "+
		"nothing is written to it until the right one is back", short(is), short(want))}
}

func short(id string) string { return strings.ToLower(id[:min(len(id), 8)]) }
