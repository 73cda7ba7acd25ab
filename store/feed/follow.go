package feed

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

const (
	every    = 200 * time.Millisecond // between two looks at the feeds
	patience = 2 * time.Second        // for a look at those of one master
	maxRows  = 8192                   // entries read in one trip, about
)

// names are the keys by which a look finds the ends of the feeds.
var names = func() (all []string) {
	for part := range keys.Parts {
		all = append(all, keys.Tags(part))
	}
	return all
}()

// Follow applies what other processes write, until ctx ends. Read must have returned.
func (f *Feed) Follow(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	var mu sync.Mutex
	busy := map[redis.Cmdable]bool{} // masters that are being asked: one that hangs does not hold up the others; guarded by mu
	for steady.Sleep(ctx, every) {
		for client, some := range f.config.Redis.Split(names) {
			mu.Lock()
			asked := busy[client]
			busy[client] = true
			mu.Unlock()
			if asked {
				continue
			}
			tasks.Go(func() {
				f.poll(ctx, client, some)
				mu.Lock()
				delete(busy, client)
				mu.Unlock()
			})
		}
		if gaps := f.gaps(); len(gaps) > 0 && f.rescanning.CompareAndSwap(false, true) {
			tasks.Go(func() {
				f.rescan(ctx, gaps)
				f.rescanning.Store(false)
			})
		}
		if f.config.Tags != nil && f.tending.CompareAndSwap(false, true) {
			tasks.Go(func() {
				f.tend(ctx)
				f.tending.Store(false)
			})
		}
	}
}

// poll looks at the feeds of some parts, all of one master, and applies what is new. An error leaves
// them behind: the next look comes soon, and the outage is logged by the pipeline.
func (f *Feed) poll(ctx context.Context, client redis.Cmdable, some []int) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := time.Now()
	pipe := client.Pipeline()
	var looks []look
	var ends []*redis.SliceCmd
	var edits *redis.MapStringStringCmd
	for _, number := range some {
		if number == keys.Catalogs && f.config.Tags != nil {
			edits = pipe.HGetAll(ctx, keys.Edits)
		}
		if l, ok := f.parts[number].look(number, now); ok {
			looks = append(looks, l)
			ends = append(ends, pipe.HMGet(ctx, keys.Tags(number), "seq", "last"))
		}
	}
	_ = pipeline.Exec(ctx, pipe) // each reply has its own error
	if edits != nil && edits.Err() == nil {
		f.edits.saw(edits.Val(), now)
	}
	var moved []behind
	rows := uint64(0)
	for i, l := range looks {
		end, err := readPosition(ends[i])
		if err != nil || !f.parts[l.part].judge(l, end) {
			continue
		}
		moved = append(moved, behind{look: l, end: end})
		if rows += min(end.seq-l.at.seq, uint64(f.config.Kept)); rows >= maxRows {
			f.read(ctx, client, moved)
			moved, rows = moved[:0], 0
		}
	}
	f.read(ctx, client, moved)
}

// behind is a part with entries to be read.
type behind struct {
	look
	end position
}

// read reads the entries that are new, and applies them.
func (f *Feed) read(ctx context.Context, client redis.Cmdable, some []behind) {
	if len(some) == 0 {
		return
	}
	pipe := client.Pipeline()
	replies := make([]*redis.XMessageSliceCmd, len(some))
	for i, b := range some {
		replies[i] = pipe.XRange(ctx, keys.Feed(b.part), b.at.after(), "+")
	}
	_ = pipeline.Exec(ctx, pipe)
	for i, b := range some {
		messages, err := replies[i].Result()
		if err != nil {
			continue
		}
		entries := make([]entry, 0, len(messages))
		for _, m := range messages {
			entries = append(entries, readEntry(m))
		}
		f.apply(b.look, b.end, entries)
	}
}

// readPosition reads the end of a feed.
func readPosition(sent *redis.SliceCmd) (p position, err error) {
	words, err := sent.Result()
	if err != nil || len(words) != 2 {
		return p, err
	}
	seq, _ := words[0].(string)
	p.seq = record.Decimal(seq)
	p.last, _ = words[1].(string)
	return p, nil
}

// gaps returns the parts to be read again, which are no longer followed until that is done.
func (f *Feed) gaps() (some []int) {
	if f.rescanning.Load() {
		return nil
	}
	for i := range f.parts {
		p := &f.parts[i]
		p.mu.Lock()
		if p.state == broken {
			p.state = reading
			some = append(some, i)
		}
		p.mu.Unlock()
	}
	return some
}
