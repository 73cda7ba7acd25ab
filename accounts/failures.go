package accounts

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
)

// Failed sign-ins of one account get at most two entries in an audit log per failureInterval:
// the first one at once, and one that counts the rest. So nobody can fill the log with them.
const (
	failureInterval = 10 * time.Minute
	maxFailures     = 1000 // accounts remembered
	maxAddresses    = 10   // in one entry
)

// failures are failed sign-ins that are not in the audit log yet. It is safe for concurrent use.
type failures struct {
	total atomic.Uint64 // of all accounts, unknown ones included

	mu sync.Mutex
	by map[fleet.UserID]*failure // guarded by mu
}

// failure are the failed sign-ins of an account since the first.
type failure struct {
	user      fleet.User
	since     time.Time
	attempts  int // after the first
	addresses map[string]bool
}

// add notes a failed sign-in and reports whether it is the first one of user for some time.
func (f *failures) add(user fleet.User, address string) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.by[user.ID]
	if known == nil {
		if len(f.by) < maxFailures {
			f.by[user.ID] = &failure{user: user, since: time.Now(), addresses: map[string]bool{}}
		}
		return true
	}
	known.attempts++
	if len(known.addresses) < maxAddresses {
		known.addresses[address] = true
	}
	return false
}

// due removes and returns the failures since an interval ago, or all.
func (f *failures) due(all bool) (due []failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, known := range f.by {
		if all || time.Since(known.since) >= failureInterval {
			due = append(due, *known)
			delete(f.by, id)
		}
	}
	return due
}

// failed counts a failed sign-in with the email of users and records the first of an account at
// once.
func (a *Accounts) failed(ctx context.Context, users []fleet.User, address string) {
	a.failures.total.Add(1)
	for _, u := range users {
		if a.failures.add(u, address) {
			a.recordFailures(ctx, u, 1, []string{address})
		}
	}
}

// WatchFailures records, in the audit logs of the teams concerned, how often sign-ins failed,
// until ctx ends. RecordFailures records what is left then.
func (a *Accounts) WatchFailures(ctx context.Context) {
	tick := time.NewTicker(failureInterval / 10)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.record(ctx, a.failures.due(false))
		case <-ctx.Done():
			return
		}
	}
}

// RecordFailures records all failed sign-ins that are not in the audit log yet.
func (a *Accounts) RecordFailures(ctx context.Context) { a.record(ctx, a.failures.due(true)) }

func (a *Accounts) record(ctx context.Context, due []failure) {
	for _, f := range due {
		if f.attempts > 0 {
			a.recordFailures(ctx, f.user, f.attempts, slices.Sorted(maps.Keys(f.addresses)))
		}
	}
}

// recordFailures adds an entry to the log of each of the user's teams. The log reports its own
// errors; without the teams there is no log to write to.
func (a *Accounts) recordFailures(ctx context.Context, user fleet.User, attempts int, addresses []string) {
	teams, _ := a.teams.TeamsOf(ctx, user.ID)
	for _, m := range teams {
		a.audit.Record(ctx, fleet.Actor{Team: m.Team, Email: "not signed in"}, "user.signin_failed", user.Email, nil,
			audit.Fields{"attempts": attempts, "addresses": addresses})
	}
}

// Stats counts since the start.
type Stats struct {
	FailedSignIns    uint64 // wrong proofs
	ThrottledSignIns uint64 // attempts that were not verified: too many others, or too many wrong ones
}

// Stats returns the counts so far.
func (a *Accounts) Stats() Stats {
	return Stats{FailedSignIns: a.failures.total.Load(), ThrottledSignIns: a.proofs.throttled.Load()}
}
