package ota

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// unreadable are the images that could not be read when that was last tried. Their updates
// hold no slot for longer than wire.SlotTimeout, and for as long none is begun.
type unreadable struct {
	any atomic.Bool // there are some: nearly always there are none

	mu     sync.Mutex
	images map[fleet.Digest]*trouble // guarded by mu
}

// trouble is with one image.
type trouble struct {
	since, last time.Time
	err         error
	told        bool // an operator was
}

// note notes what came of reading an image.
func (u *unreadable) note(digest fleet.Digest, err error) {
	if err == nil && !u.any.Load() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.images[digest]
	switch {
	case err == nil:
		delete(u.images, digest)
	case t != nil:
		t.last, t.err = time.Now(), err
	default:
		if u.images == nil {
			u.images = make(map[fleet.Digest]*trouble)
		}
		u.images[digest] = &trouble{since: time.Now(), last: time.Now(), err: err}
	}
	u.any.Store(len(u.images) > 0)
}

// lately reports whether reading an image failed within the last wire.SlotTimeout.
func (u *unreadable) lately(digest fleet.Digest, now time.Time) bool {
	_, lately := u.look(digest, now)
	return lately
}

// long reports whether that has been so for wire.SlotTimeout.
func (u *unreadable) long(digest fleet.Digest, now time.Time) bool {
	since, lately := u.look(digest, now)
	return lately && now.Sub(since) >= wire.SlotTimeout
}

func (u *unreadable) look(digest fleet.Digest, now time.Time) (since time.Time, lately bool) {
	if !u.any.Load() {
		return time.Time{}, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.images[digest]
	if t == nil || now.Sub(t.last) >= wire.SlotTimeout {
		return time.Time{}, false
	}
	return t.since, true
}

// cause is why an image can't be read, the first time it is asked for; then nil.
func (u *unreadable) cause(digest fleet.Digest) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.images[digest]
	if t == nil || t.told {
		return nil
	}
	t.told = true
	return t.err
}
