package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Guard keeps a pipeline from a Redis that is not the one it was opened on, for example an
// empty replica that was promoted. Its functions are called from several goroutines; those
// that are nil let everything pass.
type Guard struct {
	// Recognize reads from m whether it is the right Redis. Each new connection is
	// recognized before it is used, and reads are after a failure.
	Recognize func(ctx context.Context, m Master) error
	// Confirm does the same by a write. Writes are confirmed after a failure, and every Every.
	Confirm func(ctx context.Context, m Master) error
	// Every is how often each master is confirmed; 0: only when it has to be.
	Every time.Duration
	// Lapsed reports whether the last Confirm was too long ago to write by.
	Lapsed func() bool
	// Term changes when other processes may have taken over from this one; nil: none does. Operations of an
	// earlier term are not written any more.
	Term func() uint64
	// Recovered is called when Redis is used again after a failure.
	Recovered func()
}

// guard is the Guard of one master, with the scripts that it must load, and what has to be looked
// at again.
type guard struct {
	Guard
	client  redis.Cmdable
	holds   func(key string) bool
	scripts []*Script
	doubts  [lanes]doubt
}

// doubt is whether Redis has to be looked at before it is used. It lasts until a look has ended that began
// after the last failure: who comes meanwhile looks, too.
type doubt struct{ raised, settled atomic.Uint64 }

func (d *doubt) lasts() bool { return d.raised.Load() != d.settled.Load() }

// connected makes a new connection usable: it loads the scripts, which Redis drops when it
// ends, and recognizes the Redis.
func (g *guard) connected(ctx context.Context, c redis.Cmdable) error {
	if err := load(ctx, c, g.scripts); err != nil {
		return err
	}
	if g.Recognize == nil {
		return nil
	}
	return g.Recognize(ctx, Master{Cmdable: c, holds: g.holds})
}

func (g *guard) doubt(l lane) { g.doubts[l].raised.Add(1) }

// admit returns nil if a trip of lane l may be made.
func (g *guard) admit(ctx context.Context, l lane) error {
	if !g.doubts[l].lasts() && (l == reads || g.Lapsed == nil || !g.Lapsed()) {
		return nil
	}
	return g.verify(ctx, l)
}

// verify looks at Redis again.
func (g *guard) verify(ctx context.Context, l lane) error {
	seen, doubted := g.doubts[l].raised.Load(), g.doubts[l].lasts() // a failure meanwhile counts
	check := g.Recognize
	if l == writes {
		check = g.Confirm
		if doubted {
			if err := load(ctx, g.client, g.scripts); err != nil {
				g.doubt(l)
				return err
			}
		}
	}
	if check != nil {
		if err := check(ctx, Master{Cmdable: g.client, holds: g.holds}); err != nil {
			g.doubt(l)
			if errors.As(err, new(*Foreign)) {
				g.doubt(reads)
				g.doubt(writes)
			}
			return err
		}
	}
	g.doubts[l].settled.Store(seen)
	if doubted && g.Recovered != nil {
		g.Recovered()
	}
	return nil
}
