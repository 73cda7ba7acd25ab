// Package audit keeps each team's log of who changed what.
//
// Domain packages record a change after it was made; the log can't undo it. Reading the
// log takes the right to see it.
package audit

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
)

// Fields are the values of an object before or after a change. They are kept as JSON and
// must not hold secrets.
type Fields map[string]any

// Log writes and reads the audit log. It is safe for concurrent use.
type Log struct {
	messages *store.Messages
	log      *slog.Logger
}

// New returns the audit log kept in messages. Entries that can't be written go to log.
func New(messages *store.Messages, log *slog.Logger) *Log {
	return &Log{messages: messages, log: log}
}

// Record adds a change that actor made to object; before or after is nil where the object
// was created or deleted. The entry is written even if ctx has ended. Record does not
// fail, because the change is made already: an entry that can't be written is logged as an
// error of the server.
func (l *Log) Record(ctx context.Context, actor fleet.Actor, action, object string, before, after Fields) {
	e := fleet.AuditEntry{
		Team: actor.Team, User: actor.User, Email: actor.Email, Action: action, Object: object,
		Before: before.json(), After: after.json(), At: time.Now().UTC(),
	}
	if err := l.messages.Audit(context.WithoutCancel(ctx), e); err != nil {
		l.log.LogAttrs(ctx, slog.LevelError, "audit entry lost", slog.String("action", action), slog.String("object", object),
			slog.String("email", actor.Email), slog.Any("err", err))
	}
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

// matches expects q.Text and q.Email in lower case.
func matches(q fleet.AuditQuery, e fleet.AuditEntry) bool {
	text := strings.ToLower(strings.Join([]string{e.Email, e.Action, e.Object, e.Before, e.After}, "\n"))
	return (q.Text == "" || strings.Contains(text, q.Text)) &&
		(q.Email == "" || e.Email == q.Email) &&
		(q.Object == "" || e.Object == q.Object) &&
		(q.Action == "" || e.Action == q.Action || strings.HasPrefix(e.Action, q.Action+"."))
}
