package identity

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// Confirm renews the lease, or the mark of a master that does not have it. It returns an error if
// the master does not answer or can't be written to, a *pipeline.Foreign if it has another store,
// and always the same error from the moment another process holds the store.
func (k *Keeper) Confirm(ctx context.Context, m pipeline.Master) error {
	known, mark := k.known.Load(), k.markOf(m)
	if known == nil || mark == nil {
		return nil
	}
	if err := k.Recognize(ctx, m); err != nil { // by its own connection: a master may have become a replica
		return err
	}
	mark.renewing.Lock()
	defer mark.renewing.Unlock()
	if lost := k.lost.Load(); lost != nil {
		return lost
	}
	if mark.key != keys.Store {
		if k.Lapsed() {
			return errLapsed // until the lease is renewed
		}
		a, err := run(ctx, m, markScript, []string{mark.key}, *known, "0")
		switch {
		case err != nil:
			return err
		case a.found == "other":
			return foreign(*known, a.id)
		}
		k.follow(mark, a)
		return nil
	}
	return k.renew(ctx, m, *known)
}

var errLapsed = errors.New("the master with the lease does not answer: another process may have it by now")

// renew renews the lease; the caller must hold marks[0].renewing.
func (k *Keeper) renew(ctx context.Context, m pipeline.Master, known string) error {
	began := time.Since(k.began)
	holder := k.holder
	if k.config.Shared {
		holder = ""
	}
	a, err := run(ctx, m, renewScript, holdKeys, known, holder, k.noted(), strconv.FormatUint(k.epoch, 10), k.term.lease.Milliseconds(), k.config.Joined)
	switch {
	case err != nil:
		return err
	case a.found == "other":
		return foreign(known, a.id)
	case a.found == "held" && k.config.Shared:
	case a.found == "held":
		lost := &pipeline.Foreign{Text: "another Muster uses this Redis now (" + shown(a.place) + "): this one must end"}
		k.lost.Store(lost)
		k.config.Lost(lost)
		return lost
	}
	lapsed := k.Lapsed()
	k.confirmed.Store(int64(began))
	if k.config.Shared {
		return nil
	}
	others := k.config.Joined && !lapsed && a.epoch > k.epoch // have joined, and nothing else has happened
	if !k.follow(k.marks[0], a) && a.epoch != k.epoch && !others {
		k.config.Changed(Change{})
	}
	k.epoch = a.epoch
	return nil
}

// follow notes the beat of a mark, and reports whether it is lower than one seen before: Redis has
// older data. The caller must hold mark.renewing.
func (k *Keeper) follow(mark *mark, a answer) (older bool) {
	if older = a.beat <= mark.beat; older {
		k.config.Log.Warn("redis came back with older data: writes that were acknowledged are missing", "at_least", time.Duration(mark.beat-a.beat)*Every)
		k.config.Changed(Change{Older: true})
	}
	mark.beat = a.beat
	return older
}
