package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/audit/chain"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
	"github.com/muster-iot/muster/store/stream"
)

func (c *core) auditKey(team fleet.TeamID) stream.Key {
	return stream.Key{StreamKeys: keys.Audit(team), Share: c.keep.Audit, Age: c.keep.AuditAge}
}

// signInsKey is the stream of the audit log's entries about sign-ins and tokens. Its ids have
// high sequence numbers, so that no two entries of the log have one cursor.
func (c *core) signInsKey(team fleet.TeamID) stream.Key {
	return stream.Key{StreamKeys: keys.SignIns(team), Share: c.keep.SignIns, Age: c.keep.SignInAge, First: 1 << 40}
}

// ofSignIns reports whether an action is one of the many that signing in and tokens cause: they
// have a stream of their own.
func ofSignIns(action string) bool {
	return strings.HasPrefix(action, "token.") || strings.HasPrefix(action, "user.sign")
}

// Audit adds an entry to the log of e.Team, as the next of its chain. A zero At means now.
func (s *Messages) Audit(ctx context.Context, e fleet.AuditEntry) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	owner, key := e.User.String(), s.core.auditKey(e.Team)
	if e.User == 0 {
		owner = e.Email
	}
	if ofSignIns(e.Action) {
		key = s.core.signInsKey(e.Team)
	}
	return s.core.streams.AppendNext(ctx, key, keys.AuditHead(e.Team), e.At, owner, 1, func(head string) (string, string, error) {
		last, err := linkOf(head)
		if err != nil {
			return "", "", err
		}
		e.Number, e.Prev = last.Number+1, last.Digest
		return record.AuditEntry.Pack(&e), chain.Link{Number: e.Number, Digest: chain.Digest(&e)}.String(), nil
	})
}

// AuditHead returns number and digest of the last entry of a team's log, 0 before the first.
func (s *Messages) AuditHead(ctx context.Context, team fleet.TeamID) (chain.Link, error) {
	head, err := s.auditHead(ctx, team)
	if err != nil {
		return chain.Link{}, err
	}
	return linkOf(head)
}

// linkOf reads a head; "" is that of an empty log.
func linkOf(head string) (chain.Link, error) {
	if head == "" {
		return chain.Link{}, nil
	}
	return chain.ParseLink(head)
}

func (s *Messages) auditHead(ctx context.Context, team fleet.TeamID) (string, error) {
	key := keys.AuditHead(team)
	head, err := pipeline.Fetch(ctx, s.core.Pipeline, key, func(p redis.Pipeliner) pipeline.Result[string] {
		return p.Get(context.Background(), key)
	})
	if absent(err) {
		return "", nil
	}
	return head, err
}

// AuditLog returns a page of a team's log, newest first, and the cursor of the next page, ""
// after the last. limit is 1 to 100.
func (s *Messages) AuditLog(ctx context.Context, team fleet.TeamID, after string, limit int) (page []fleet.AuditEntry, next string, err error) {
	limit = pageLimit(limit)
	more := false
	for _, key := range []stream.Key{s.core.auditKey(team), s.core.signInsKey(team)} {
		rest, err := s.core.streams.Scan(ctx, key, stream.Query{After: after, Limit: limit}, func(id, text string) (bool, error) {
			e := fleet.AuditEntry{Cursor: id, Team: team}
			err := record.AuditEntry.Unpack(text, &e)
			page = append(page, e)
			return true, err
		})
		if err != nil {
			return nil, "", err
		}
		more = more || rest != ""
	}
	slices.SortFunc(page, func(a, b fleet.AuditEntry) int { return stream.Compare(b.Cursor, a.Cursor) })
	if len(page) > limit {
		page, more = page[:limit], true
	}
	if more {
		next = page[len(page)-1].Cursor
	}
	return page, next, nil
}
