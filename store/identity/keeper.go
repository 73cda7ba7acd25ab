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

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Every is the time between two renewals.
const Every = 2 * time.Second

// term is how long a store is held without a renewal, and how long before that a holder stops to
// write. In a Cluster one master has the lease, but the others do not stop while a replica takes
// over from that one.
type term struct{ lease, slack time.Duration }

var (
	terms        = term{10 * time.Second, 2 * time.Second}
	clusterTerms = term{30 * time.Second, 5 * time.Second}
)

var (
	//go:embed take.lua
	takeSource string
	//go:embed renew.lua
	renewSource string
	//go:embed release.lua
	releaseSource string
	//go:embed mark.lua
	markSource string
	//go:embed layout.lua
	layoutSource string

	takeScript    = redis.NewScript(takeSource)
	renewScript   = redis.NewScript(renewSource)
	releaseScript = redis.NewScript(releaseSource)
	markScript    = redis.NewScript(markSource)
	layoutScript  = redis.NewScript(layoutSource)
)

// Change is how the data of a Redis may differ from what this process has seen of it.
type Change struct {
	Older bool // acknowledged writes are missing
}

// Config is what a Keeper works with.
type Config struct {
	Folder  string   // keeps the id of its store; "" for none
	Alone   string   // a folder that this process has locked; "" for none
	Cluster bool     // the store is on several masters
	Shared  bool     // tests of the store open it twice: no lease is taken
	Joined  bool     // this process shares the lease with others that are joined too
	Layouts []string // which may be taken, besides that of this release
	Log     *slog.Logger

	// Changed is called when Redis was restarted, replaced by a replica, or has older data. It
	// must not block.
	Changed func(Change)
	// Lost is called once when another process holds the store. It must not block.
	Lost func(error)
}

// Keeper holds one store for this process. It is safe for concurrent use.
type Keeper struct {
	config    Config
	term      term
	holder    string
	place     string
	began     time.Time
	confirmed atomic.Int64           // ns after began
	known     atomic.Pointer[string] // the id of the store; nil before Take
	marks     []*mark                // the first is the store hash, which has the lease

	lost  atomic.Pointer[pipeline.Foreign] // why this process may no longer use the store
	epoch uint64                           // guarded by marks[0].renewing

	mu sync.Mutex // never held while Redis is asked
}

// New returns a Keeper. Take must be called next.
func New(config Config) *Keeper {
	k := &Keeper{config: config, holder: rand.Text(), began: time.Now(), term: terms, marks: newMarks(config.Cluster)}
	if config.Cluster {
		k.term = clusterTerms
	}
	if config.Joined {
		k.holder = joined
	}
	if k.place = k.holder; config.Alone != "" { // without a lock, nothing keeps others out of its place
		k.place = place(config.Alone)
	}
	return k
}

// answer is the reply of take.lua, renew.lua and mark.lua.
type answer struct {
	found, id     string
	epoch, beat   uint64
	holder, place string
}

// holdKeys are the keys of take.lua and renew.lua.
var holdKeys = []string{keys.Store, keys.Lease}

func run(ctx context.Context, c redis.Cmdable, s *redis.Script, names []string, args ...any) (a answer, err error) {
	words, err := s.Run(ctx, c, names, args...).StringSlice()
	if err != nil || len(words) != 6 {
		return a, err
	}
	number := func(s string) uint64 {
		n, _ := strconv.ParseUint(s, 10, 64) // written by the scripts
		return n
	}
	return answer{words[0], words[1], number(words[2]), number(words[3]), words[4], words[5]}, nil
}

// ID is the id of the store; "" before Take.
func (k *Keeper) ID() string {
	if known := k.known.Load(); known != nil {
		return *known
	}
	return ""
}

// Recognize returns nil if m has this process's store. It reads only.
func (k *Keeper) Recognize(ctx context.Context, m pipeline.Master) error {
	known, mark := k.known.Load(), k.markOf(m)
	if known == nil || mark == nil {
		return nil
	}
	pipe := m.Pipeline()
	id, info := pipe.HGet(ctx, mark.key, "id"), pipe.InfoMap(ctx, "server", "replication")
	_ = pipeline.Exec(ctx, pipe) // each reply has its own error
	if err := id.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if id.Val() != *known {
		return foreign(*known, id.Val())
	}
	k.ran(mark, info.Val())
	return nil
}

// ran compares which run of which Redis has a mark with the last one. A Redis that does not
// reveal it is only known by its beats.
func (k *Keeper) ran(mark *mark, info map[string]map[string]string) {
	server := info["Server"]["run_id"] + info["Replication"]["master_replid"]
	if server == "" {
		return
	}
	k.mu.Lock()
	changed := mark.server != "" && mark.server != server
	mark.server = server
	k.mu.Unlock()
	if changed {
		k.config.Changed(Change{})
	}
}

// Lapsed reports whether the lease may have run out since the last Confirm, or is lost.
func (k *Keeper) Lapsed() bool {
	if k.lost.Load() != nil {
		return true
	}
	return time.Since(k.began)-time.Duration(k.confirmed.Load()) > k.term.lease-k.term.slack && k.known.Load() != nil && !k.config.Shared
}

// Release ends the lease, so that the next process need not wait for its end. at returns the
// master of a key.
func (k *Keeper) Release(ctx context.Context, at func(key string) (pipeline.Master, error)) error {
	if k.known.Load() == nil || k.config.Shared {
		return nil
	}
	m, err := at(keys.Store)
	if err != nil {
		return err
	}
	return k.release(ctx, m)
}

// release ends the lease, but not that of joined processes while a node is left.
func (k *Keeper) release(ctx context.Context, m pipeline.Master) error {
	return releaseScript.Run(ctx, m, append(holdKeys[:2:2], keys.Nodes), k.holder).Err()
}

// joined is the holder and the place of all processes that share a store.
const joined = "joined"

func foreign(want, is string) error {
	if is == "" {
		return &pipeline.Foreign{Text: fmt.Sprintf("redis is empty, or does not hold the store %s: it was replaced or flushed; "+
			"nothing is written to it until the right one is back", short(want))}
	}
	return &pipeline.Foreign{Text: fmt.Sprintf("redis holds another store (%s) than this server's (%s): "+
		"nothing is written to it until the right one is back", short(is), short(want))}
}

func short(id string) string { return strings.ToLower(id[:min(len(id), 8)]) }
