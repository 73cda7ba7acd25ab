package audit

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/spool"
)

// Interrupted is the action of entries about what was begun by a server that ended.
const Interrupted = "request.interrupted"

const interruptedText = "not known: the server ended while it carried this out. What was changed until then may have an entry of its own, or none."

// begun is what a slot holds. It is clipped to fit.
type begun struct {
	Team   fleet.TeamID
	User   fleet.UserID `json:",omitempty"`
	Email  string
	Token  string `json:",omitempty"`
	From   string `json:",omitempty"`
	Object string
	At     time.Time
}

// KeepBegun makes l keep what is begun in slots. left is what an earlier process had begun when it
// ended: it gets entries. It must be called after Keep and before the first Begin.
func (l *Log) KeepBegun(slots *spool.Slots, left map[int]string) {
	l.slots = slots
	for slot, text := range left {
		var b begun
		err := json.Unmarshal([]byte(text), &b)
		if err == nil {
			err = l.keep(fleet.AuditEntry{
				Team: b.Team, User: b.User, Email: b.Email, Token: b.Token, From: b.From, At: b.At,
				Action: Interrupted, Object: b.Object, After: Fields{"outcome": interruptedText}.json(),
			})
		}
		if err != nil {
			l.log.LogAttrs(context.Background(), slog.LevelError, "audit entry waits for the next start", slog.String("entry", text), slog.Any("err", err))
			continue
		}
		slots.Clear(slot)
	}
}

// Begin notes, durably, that actor is about to change something: object names the change and its target.
// The change is made after that, then its entry recorded, then end called. Should the process end in
// between, the next one records that the change was begun (docs/adr/0019): nothing is changed
// without an entry. Nothing may be changed when it fails, with fleet.Busy or fleet.Unavailable.
func (l *Log) Begin(actor fleet.Actor, object string) (end func(), err error) {
	if l.slots == nil {
		return func() {}, nil
	}
	text, err := json.Marshal(begun{
		Team: actor.Team, User: actor.User, Email: clip(actor.Email, 100), Token: clip(actor.Token, 40), From: clip(actor.Address, 50),
		Object: clip(object, 160), At: time.Now().UTC(),
	})
	if err != nil {
		return nil, err
	}
	slot, err := l.slots.Put(string(text))
	if err != nil {
		return nil, fleet.Errorf(fleet.Unavailable, "the change was not made, because it could not be noted for the audit log: %w", err)
	}
	return func() { l.slots.Clear(slot) }, nil
}

// clip cuts text to n bytes, without those that JSON escapes.
func clip(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), n)]
}
