package pipeline

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/store/slots"
)

const (
	findEvery = 250 * time.Millisecond // at most, while masters can't be used
	calm      = 2 * time.Second        // between two looks at a Cluster that seems well: a master may hang
)

// view is which master holds which key, at one moment. It does not change.
type view struct {
	at     *slots.Map // nil for a single master
	shards []*shard   // in the order of at.Masters
}

// carrier returns the shard that carries op out, nil if no master holds its key.
func (v *view) carrier(op Operation) *shard {
	if v.at == nil && len(v.shards) == 1 {
		return v.shards[0] // without the allocation of a key
	}
	return v.of(op.Key())
}

// of returns the shard of a key, nil if no master holds it.
func (v *view) of(key string) *shard {
	if v.at == nil {
		if len(v.shards) == 0 {
			return nil
		}
		return v.shards[0]
	}
	owner := v.at.Owner(slots.Of(key))
	if owner < 0 {
		return nil
	}
	return v.shards[owner]
}

// newShard returns the shard of the master at addr, "" for the only one.
func (p *Pipeline) newShard(addr string) *shard {
	s := &shard{addr: cmp.Or(addr, p.addr), closed: make(chan struct{}), copies: p.copies}
	s.guard = &guard{Guard: p.watch, scripts: p.scripts}
	log := p.log
	s.client = p.dial(addr, s.guard)
	s.guard.client = s.client
	if addr != "" {
		s.guard.holds = func(key string) bool { return p.view.Load().of(key) == s }
		log = log.With(slog.String("master", addr))
	}
	s.outage = &outage{log: log, began: time.Now(), refusals: rate.Sometimes{First: 1, Interval: time.Minute}}
	for l := range lanes {
		b := newBatcher(s, l, &p.counts[l])
		if l == writes {
			b.copies = s.copies
			b.atomic = addr == "" && b.copies == 0 // WAIT waits for nothing in a MULTI
		}
		if addr != "" {
			b.holds, b.failed = s.guard.holds, p.find
		}
		s.lanes[l] = b
	}
	return s
}

// find asks for a look at which masters there are.
func (p *Pipeline) find() {
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

// follow looks at which masters a Cluster has: when one fails or does not hold a key, and now and
// then.
func (p *Pipeline) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		select {
		case <-p.ended:
			return
		case <-p.wanted:
		case <-time.After(calm):
		}
		if p.view.Load().at != nil { // else Connect asks
			_ = p.Connect(ctx) // the masters in use stay, and report what is wrong
		}
		select {
		case <-p.ended:
			return
		case <-time.After(findEvery):
		}
	}
}

// Connect finds the masters of a Cluster. It returns the error of a node if none answers.
func (p *Pipeline) Connect(ctx context.Context) error {
	if p.finder == nil {
		return nil
	}
	p.finding.Lock()
	defer p.finding.Unlock()
	found, err := p.finder.Find(ctx)
	if err != nil {
		return err
	}
	before := p.view.Load()
	if found.Same(before.at) {
		return nil
	}
	now := &view{at: found, shards: make([]*shard, len(found.Masters))}
	known := map[string]*shard{}
	if before.at != nil {
		for i, addr := range before.at.Masters {
			known[addr] = before.shards[i]
		}
	}
	var added []*shard
	for i, addr := range found.Masters {
		s := known[addr]
		if s == nil {
			s = p.newShard(addr)
			s.doubt()
			added = append(added, s)
		}
		delete(known, addr)
		now.shards[i] = s
	}
	p.view.Store(now)
	for _, s := range added {
		s.start()
	}
	for _, s := range known {
		p.running.Go(s.retire)
	}
	return nil
}

// Masters returns all masters, for commands outside the shared trips, which are not retried.
func (p *Pipeline) Masters() []Master {
	var masters []Master
	for _, s := range p.view.Load().shards {
		masters = append(masters, s.master())
	}
	return masters
}

// Master returns the master that holds a key, for commands outside the shared trips. In a Cluster
// the next call may return another one.
func (p *Pipeline) Master(key string) (Master, error) {
	s := p.view.Load().of(key)
	if s == nil {
		return Master{}, errNoMaster
	}
	return s.master(), nil
}

// Split groups keys by the client of the master that holds them, as their places in names. Keys
// without a master are left out.
func (p *Pipeline) Split(names []string) map[redis.Cmdable][]int {
	v, groups := p.view.Load(), map[redis.Cmdable][]int{}
	for i, name := range names {
		if s := v.of(name); s != nil {
			groups[s.client] = append(groups[s.client], i)
		}
	}
	return groups
}

// Clustered reports whether keys are on several masters: two keys without a common tag can't be
// read or written in one step.
func (p *Pipeline) Clustered() bool { return p.finder != nil }

// Scan calls take with the keys that match pattern, about count at a time, and the client of the
// master that holds them. It tries again after an error as long as again returns true. A key may
// come twice.
func (p *Pipeline) Scan(ctx context.Context, pattern string, count int64,
	take func(c redis.Cmdable, keys []string) error, again func(error) bool,
) error {
	for {
		v := p.view.Load()
		for i := 0; i < len(v.shards); {
			err := scan(ctx, v.shards[i].client, pattern, count, take, func(err error) bool {
				return again(err) && p.view.Load() == v
			})
			if err == nil {
				i++
				continue
			}
			if p.view.Load() == v {
				return err
			}
			break
		}
		if p.view.Load() == v {
			return nil
		}
		// Keys may have moved from a master that was yet to be read to one that had been.
	}
}

func scan(ctx context.Context, c redis.Cmdable, pattern string, count int64,
	take func(c redis.Cmdable, keys []string) error, again func(error) bool,
) error {
	for cursor := uint64(0); ; {
		keys, next, err := c.Scan(ctx, cursor, pattern, count).Result()
		if err == nil {
			err = take(c, keys)
		}
		if err != nil {
			if !again(err) {
				return err
			}
			continue // the same cursor again
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
