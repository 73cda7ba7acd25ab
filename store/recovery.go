package store

import (
	"context"
	"sync"
	"time"

	"github.com/muster-iot/muster/store/identity"
)

// recovery is what has to be made right after an outage, besides the index: deletions of groups that
// were interrupted. It is safe for concurrent use.
type recovery struct {
	wake    chan struct{} // has a place for one
	notices chan Notice

	mu     sync.Mutex
	groups bool // a deletion of a group that this process began is not finished; guarded by mu
	others bool // the same for one of a process that has ended; guarded by mu
}

// Notice is something about the store that an operator should know.
type Notice struct{ Name, Text string }

// NoticeOlder is the name of the notice that Redis came back with older data.
const NoticeOlder = "store_older"

func newRecovery() *recovery {
	return &recovery{wake: make(chan struct{}, 1), notices: make(chan Notice, 16)}
}

func (r *recovery) begin() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *recovery) interrupted() {
	r.mu.Lock()
	r.groups = true
	r.mu.Unlock()
	r.begin()
}

// ended has deletions finished that another process may have left when it ended.
func (r *recovery) ended() {
	r.mu.Lock()
	r.others = true
	r.mu.Unlock()
	r.begin()
}

// LeaseGroups is that of the server which finishes deletions of groups that others left.
const LeaseGroups = "groups"

// leftEvery is the time between two looks whether this server has to.
const leftEvery = 5 * time.Second

// changed follows a Redis that was restarted or replaced.
func (s *Store) changed(c identity.Change) {
	s.forget()
	s.nodes.Doubt()
	s.feed.DoubtAll()
	s.core.recovery.begin()
	if c.Older {
		select {
		case s.core.recovery.notices <- Notice{NoticeOlder, "the store came back with older data: changes and messages that were acknowledged shortly before are missing"}:
		default: // nobody listens, or has yet to read the same
		}
	}
}

// recovered follows the end of an outage: what was written during it may be there or not.
func (s *Store) recovered() {
	s.forget()
	s.core.recovery.begin()
}

func (s *Store) forget() {
	s.Catalogs.docs.Forget()
	s.Teams.docs.Forget()
	s.Teams.accounts.Forget()
}

// Notices returns what operators should know about the store, as it happens.
func (s *Store) Notices() <-chan Notice { return s.core.recovery.notices }

// recover makes right what outages leave, until ctx ends. The index must be ready.
func (s *Store) recover(ctx context.Context) {
	r := s.core.recovery
	var tick <-chan time.Time // never, unless servers share the store
	if s.nodes != nil {
		ticker := time.NewTicker(leftEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		woken := true
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-tick:
			woken = false
		}
		r.mu.Lock()
		groups, others := r.groups, r.others && s.nodes.Holds(LeaseGroups)
		r.groups, r.others = false, r.others && !others
		r.mu.Unlock()
		groups = groups || others
		if woken && !s.feed.Correct(ctx) {
			return
		}
		if groups && !s.Teams.resume(ctx) {
			r.mu.Lock()
			r.groups = true // until the end of the next outage
			r.mu.Unlock()
		}
	}
}
