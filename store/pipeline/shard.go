package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/slots"
)

// Master is a connection to one master, or a pool of them.
type Master struct {
	redis.Cmdable
	Addr  string                // HOST:PORT or the path of a socket; "" for the one that Sentinels name, and in a Guard
	holds func(key string) bool // nil: it holds all keys
}

// Holds reports whether the master holds a key, as far as is known at this moment.
func (m Master) Holds(key string) bool { return m.holds == nil || m.holds(key) }

// shard is one master with what is sent to it. An outage of one does not touch the others.
type shard struct {
	addr   string // see Master
	client slots.Node
	guard  *guard
	outage *outage
	lanes  [lanes]*batcher
	copies int // see Target

	running sync.WaitGroup
	closed  chan struct{}
}

func (s *shard) master() Master { return Master{s.client, s.addr, s.guard.holds} }

func (s *shard) start() {
	for _, b := range s.lanes {
		s.running.Go(b.run)
	}
	if s.guard.Every > 0 {
		s.running.Go(s.watch)
	}
}

// watch confirms the master every few seconds.
func (s *shard) watch() {
	for {
		select {
		case <-s.closed:
			return
		case <-time.After(s.guard.Every):
			_ = s.confirm(context.Background()) // noted and logged
		}
	}
}

// confirm confirms by a write that this is the right Redis.
func (s *shard) confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	if s.guard.doubts[reads].lasts() && s.guard.verify(ctx, reads) == nil {
		s.outage.over(reads)
	}
	err := s.guard.verify(ctx, writes)
	if err == nil {
		err = s.copied(ctx)
	}
	if err != nil {
		s.outage.lasts(writes, err)
		return err
	}
	s.outage.over(writes)
	return nil
}

func (s *shard) doubt() {
	s.guard.doubt(reads)
	s.guard.doubt(writes)
}

// unusable returns why the master can't be used, or no write worked within.
func (s *shard) unusable(within time.Duration) error {
	if cause := s.outage.present(); cause != nil {
		return &unusable{cause}
	}
	return s.outage.silent(within)
}

// unusable is a cause without what only the log may show.
type unusable struct{ cause error }

func (u *unusable) Error() string { return Advice(u.cause) }

func (u *unusable) Unwrap() error { return u.cause }

// end ends what runs. Operations that wait fail with reason.
func (s *shard) end(reason error) {
	close(s.closed)
	for _, b := range s.lanes {
		b.close(reason)
	}
	s.running.Wait()
}

// retire ends a shard whose keys other masters hold: at once, even if the master hangs.
func (s *shard) retire() {
	_ = s.client.Close()
	s.end(&moved{cause: errors.New("its master was replaced")})
	s.outage.replaced()
}
