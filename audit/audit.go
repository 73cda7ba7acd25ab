// Package audit keeps each team's log of who changed what.
//
// Domain packages record a change after it was made; the log can't undo it. Reading the
// log takes the right to see it.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/muster-iot/muster/audit/chain"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/spool"
)

// Fields are the values of an object before or after a change. They are kept as JSON and
// must not hold secrets.
type Fields map[string]any

// Log writes and reads the audit log. It is safe for concurrent use.
type Log struct {
	messages *store.Messages
	log      *slog.Logger
	kept     *spool.Spool // entries that the store did not take; nil: they are lost
	slots    *spool.Slots // what was begun; nil: it is not kept
}

// New returns the audit log kept in messages. Entries that can't be written go to log.
func New(messages *store.Messages, log *slog.Logger) *Log {
	return &Log{messages: messages, log: log}
}

// Keep makes l keep entries in kept while the store takes none; Run writes them later, also those
// of an earlier process. It must be called before the first Record.
func (l *Log) Keep(kept *spool.Spool) { l.kept = kept }

// retryEvery is the time between two tries to write what is kept.
const retryEvery = time.Second

// Run writes kept entries to the store until ctx ends.
func (l *Log) Run(ctx context.Context) {
	if l.kept == nil {
		return
	}
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		l.flush(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// flush writes kept entries until the store does not take one.
func (l *Log) flush(ctx context.Context) {
	lines := l.kept.Lines()
	for n, line := range lines {
		var e fleet.AuditEntry
		err := json.Unmarshal([]byte(line), &e)
		if err == nil {
			err = l.messages.Audit(ctx, e)
		}
		if errors.Is(err, fleet.Unavailable) {
			lines = lines[:n]
			break
		}
		if err != nil {
			l.log.LogAttrs(ctx, slog.LevelError, "audit entry lost", slog.String("entry", line), slog.Any("err", err))
		}
	}
	if len(lines) == 0 {
		return
	}
	if err := l.kept.Drop(len(lines)); err != nil {
		l.log.LogAttrs(ctx, slog.LevelWarn, "audit entries are kept although they are written: a restart repeats them", slog.Any("err", err))
	}
}

// Record adds a change that concerns no product, or all.
func (l *Log) Record(ctx context.Context, actor fleet.Actor, action, object string, before, after Fields) {
	l.RecordIn(ctx, 0, actor, action, object, before, after)
}

// RecordIn adds a change that actor made to object in a product; before or after is nil where the object
// was created or deleted. The entry is written even if ctx has ended. RecordIn does not
// fail, because the change is made already: an entry that the store does not take is kept in the
// data folder until it does (docs/adr/0017), and logged as an error if that fails too. A nil Log
// records nothing.
func (l *Log) RecordIn(ctx context.Context, product fleet.ProductID, actor fleet.Actor, action, object string, before, after Fields) {
	if l == nil {
		return
	}
	e := fleet.AuditEntry{
		Team: actor.Team, Product: product, User: actor.User, Email: actor.Email, Action: action, Object: object,
		Token: actor.Token, From: actor.Address, Before: before.json(), After: after.json(), At: time.Now().UTC(),
	}
	err := l.messages.Audit(context.WithoutCancel(ctx), e)
	if err != nil && l.kept != nil {
		err = l.keep(e)
	}
	if err != nil {
		l.log.LogAttrs(ctx, slog.LevelError, "audit entry lost", slog.String("action", action), slog.String("object", object),
			slog.String("email", actor.Email), slog.Any("err", err))
	}
}

func (l *Log) keep(e fleet.AuditEntry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return l.kept.Add(string(text))
}

func (f Fields) json() string {
	if len(f) == 0 {
		return ""
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

const (
	pageSize = 100  // entries read at a time
	reach    = 5000 // entries examined for one page of matches

	clockStep = 24 * time.Hour // entries are in order of arrival: a clock that was set back makes a later one look this much older
)

// Page returns up to q.Limit entries of the actor's team that match q, newest first, and
// the cursor of the next page, "" after the last. One call examines a bounded part of the
// log, so a page may be short, even empty, without being the last. It returns fleet.Denied
// to actors who may not see the log.
func (l *Log) Page(ctx context.Context, actor fleet.Actor, q fleet.AuditQuery) (page []fleet.AuditEntry, next string, err error) {
	if err := actor.May(fleet.SeeAudit); err != nil {
		return nil, "", err
	}
	q.Text, q.Email = strings.ToLower(q.Text), fleet.NormalEmail(q.Email)
	next = q.After
	for examined := 0; examined < reach; {
		entries, after, err := l.messages.AuditLog(ctx, actor.Team, next, pageSize)
		if err != nil {
			return nil, "", err
		}
		for _, e := range entries {
			if e.At.Before(q.From.Add(-clockStep)) {
				return page, "", nil // the rest is older
			}
			next = e.Cursor
			if !matches(q, e) {
				continue
			}
			if page = append(page, e); len(page) == q.Limit {
				if after == "" && e.Cursor == entries[len(entries)-1].Cursor {
					next = ""
				}
				return page, next, nil
			}
		}
		examined += len(entries)
		if next = after; next == "" {
			break
		}
	}
	return page, next, nil
}

// Head returns number and digest of the newest entry of the actor's team. It returns fleet.Denied to
// actors who may not see the log.
func (l *Log) Head(ctx context.Context, actor fleet.Actor) (chain.Link, error) {
	if err := actor.May(fleet.SeeAudit); err != nil {
		return chain.Link{}, err
	}
	return l.messages.AuditHead(ctx, actor.Team)
}

// matches expects q.Text and q.Email in lower case.
func matches(q fleet.AuditQuery, e fleet.AuditEntry) bool {
	text := strings.ToLower(strings.Join([]string{e.Email, e.Action, e.Object, e.Token, e.From, e.Before, e.After}, "\n"))
	return !e.At.Before(q.From) && (q.To.IsZero() || e.At.Before(q.To)) &&
		(q.Text == "" || strings.Contains(text, q.Text)) &&
		(q.Email == "" || e.Email == q.Email) &&
		(q.Object == "" || e.Object == q.Object) &&
		(q.Product == 0 || e.Product == q.Product) &&
		(q.Action == "" || e.Action == q.Action || strings.HasPrefix(e.Action, q.Action+"."))
}
