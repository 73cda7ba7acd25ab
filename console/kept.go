package console

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

const (
	keptFor = 10 * time.Minute
	maxKept = 250_000 // rows that a team's values may have together; a secret is one
)

// kept holds values between the POST of a form and the page it redirects to: secrets, which are
// shown once and stored nowhere else, and imports that wait for a yes. They are lost with the
// process. It is safe for concurrent use.
type kept struct {
	mu     sync.Mutex
	values map[string]keptValue // by key; guarded by mu
}

type keptValue struct {
	value   any
	actor   fleet.Actor
	rows    int
	expires time.Time
}

func newKept() *kept { return &kept{values: map[string]keptValue{}} }

// hasRoom returns fleet.Busy if rows more are too many for the actor's team. Call it before an
// action whose result is kept: after it, put must succeed.
func (k *kept) hasRoom(actor fleet.Actor, rows int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for key, v := range k.values {
		switch {
		case now.After(v.expires):
			delete(k.values, key)
		case v.actor.Team == actor.Team:
			rows += v.rows
		}
	}
	if rows > maxKept {
		return fleet.Errorf(fleet.Busy, "too many imports of the team wait to be confirmed or looked at: finish one, or wait %d minutes", int(keptFor/time.Minute))
	}
	return nil
}

// put keeps a value for the actor and returns its key.
func (k *kept) put(actor fleet.Actor, value any, rows int) (key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key = rand.Text()
	k.values[key] = keptValue{value, actor, rows, time.Now().Add(keptFor)}
	return key
}

// look returns the actor's value with this key, nil if there is none, and removes it if take is
// set.
func (k *kept) look(actor fleet.Actor, key string, take bool) any {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.values[key]
	if !ok || v.actor.User != actor.User || v.actor.Team != actor.Team {
		return nil
	}
	if take || time.Now().After(v.expires) {
		delete(k.values, key)
	}
	if time.Now().After(v.expires) {
		return nil
	}
	return v.value
}

// once is the query field with the key of what a page shows once.
const once = "once"

// showOnce redirects to a page that shows value, until it is loaded again.
func (v *visit) showOnce(to string, value any, rows int) error {
	return v.redirect(withQuery(to, once, v.kept.put(v.actor, value, rows)))
}

// shownOnce returns what this page shows once: the zero T if it is loaded without, or again,
// which the page then shows.
func shownOnce[T any](v *visit) (value T) {
	key := v.text(once)
	if key == "" {
		return value
	}
	value, ok := v.kept.look(v.actor, key, true).(T)
	v.gone = !ok
	return value
}
