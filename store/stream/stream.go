// Package stream keeps records in order of arrival, in Redis streams that are trimmed.
package stream

import (
	"cmp"
	"context"
	_ "embed"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/retention"
)

//go:embed append.lua
var appendSource string

// Script appends; the pipeline must load it.
var Script = pipeline.NewScriptAskingRetry(retention.Lua + appendSource)

// Streams are streams of records. The id of an entry is its time
// in ms and a sequence number, and is the cursor that callers see. Ids only grow: if the clock
// goes back, new entries get the time of the newest. Streams is safe for concurrent use.
type Streams struct {
	redis    *pipeline.Pipeline
	clock    *steady.Clock
	appended atomic.Uint64 // entries, to all streams
	heads    heads
}

// New returns the streams of p, in which clock decides what is too old.
func New(p *pipeline.Pipeline, clock *steady.Clock) *Streams {
	return &Streams{redis: p, clock: clock, heads: heads{last: map[string]string{}}}
}

// Key is where one stream is and what is kept of it.
type Key struct {
	keys.StreamKeys

	Share retention.Share
	Age   time.Duration
	First uint64 // sequence number of the first id of a millisecond; 0: any
}

// Append adds a record of owner with this time and returns its cursor. size is in the unit of
// key's share.
func (s *Streams) Append(ctx context.Context, key Key, at time.Time, owner string, size int, record string) (cursor string, err error) {
	args := s.arguments(key, at, owner, size)
	args[recorded] = record
	reply, err := s.redis.Run(ctx, Script, key.Names(), args[asked+1:]...)
	id, _ := reply.(string)
	return id, err
}

// Places of arguments that are set later.
const (
	asked    = 0
	recorded = 5
)

// arguments returns those of append.lua but for the heads.
func (s *Streams) arguments(key Key, at time.Time, owner string, size int) []any {
	return []any{
		"", s.redis.Nonce(), strconv.FormatInt(at.UnixMilli(), 10), key.Share.Entries, s.oldestMillis(key.Age), "",
		owner, size, key.Share.Owner, key.Share.Floor, key.Share.All, strconv.FormatUint(key.First, 10),
	}
}

// oldestMillis returns the time from which records are kept for one append of 64, else "": to
// look for old records costs more than to append one.
func (s *Streams) oldestMillis(age time.Duration) string {
	if s.appended.Add(1)%64 != 0 {
		return ""
	}
	return strconv.FormatInt(s.clock.Now().Add(-age).UnixMilli(), 10)
}

// Query selects entries of one stream.
type Query struct {
	From, To  time.Time // From inclusive, To exclusive, both only about: the caller compares the times of records. Zero: open
	Ascending bool
	After     string // cursor
	Limit     int
}

const (
	chunkSize = 500     // entries read at a time, at most
	reach     = 200_000 // entries looked at for one page, which may end short of its limit
)

// disorder is how far the times of records may be out of order without a step of the clock.
const disorder = time.Second

// Scan calls take for the entries of key that q selects, until take has returned true q.Limit
// times. It returns the cursor to continue from, "" at the end; fleet.Invalid for a cursor that
// is none.
func (s *Streams) Scan(ctx context.Context, key Key, q Query, take func(id, record string) (bool, error)) (next string, err error) {
	end, err := s.end(ctx, key, q.To)
	if err != nil {
		return "", err
	}
	low, high, err := q.bounds(s.clock.Now().Add(-key.Age), end)
	if err != nil {
		return "", err
	}
	taken, chunk := 0, int64(q.Limit)+1 // enough for most pages
	for looked := 0; looked < reach; chunk = min(2*chunk, chunkSize) {
		entries, err := pipeline.Fetch(ctx, s.redis, key.Entries, func(p redis.Pipeliner) pipeline.Result[[]redis.XMessage] {
			if q.Ascending {
				return p.XRangeN(context.Background(), key.Entries, low, high, chunk)
			}
			return p.XRevRangeN(context.Background(), key.Entries, high, low, chunk)
		})
		if err != nil {
			return "", err
		}
		looked += len(entries)
		atEnd := len(entries) < int(chunk)
		for i, entry := range entries {
			record, _ := entry.Values["v"].(string)
			took, err := take(entry.ID, record)
			if err != nil {
				return "", err
			}
			next = entry.ID
			if took {
				taken++
			}
			if taken == q.Limit {
				if atEnd && i == len(entries)-1 {
					return "", nil
				}
				return next, nil
			}
		}
		if atEnd {
			return "", nil
		}
		if q.Ascending {
			low = "(" + next
		} else {
			high = "(" + next
		}
	}
	return next, nil
}

// end returns the highest id of records from before to, "+" if to is zero. Records that arrived
// after the clock went back have later ids than their times.
func (s *Streams) end(ctx context.Context, key Key, to time.Time) (string, error) {
	if to.IsZero() {
		return "+", nil
	}
	steps, err := pipeline.Fetch(ctx, s.redis, key.Steps, func(p redis.Pipeliner) pipeline.Result[map[string]string] {
		return p.HGetAll(context.Background(), key.Steps)
	})
	if err != nil {
		return "", err
	}
	end := max(to.Add(disorder).UnixMilli(), 0)
	for last, first := range steps {
		before, _ := strconv.ParseInt(last, 10, 64) // written by the script
		after, _ := strconv.ParseInt(first, 10, 64)
		if after < to.UnixMilli() {
			end = max(end, before)
		}
	}
	return strconv.FormatInt(end, 10), nil
}

// bounds returns the lowest and the highest id of q, not older than oldest and up to end.
func (q Query) bounds(oldest time.Time, end string) (low, high string, err error) {
	from := oldest
	if q.From.After(oldest) {
		from = q.From
	}
	low, high = strconv.FormatInt(max(from.UnixMilli(), 0), 10), end
	if q.After == "" {
		return low, high, nil
	}
	after, ok := parseID(q.After)
	if !ok {
		return "", "", fleet.FieldErrorf("after", "cursor %.60q is not one of this list", q.After)
	}
	if q.Ascending {
		if start, _ := parseID(low); after.compare(start) >= 0 {
			low = "(" + q.After
		}
		return low, high, nil
	}
	if end, bounded := parseID(high); !bounded || after.compare(end) <= 0 {
		high = "(" + q.After
	}
	return low, high, nil
}

// Compare is negative if cursor a is older than cursor b; both are of entries.
func Compare(a, b string) int {
	x, _ := parseID(a)
	y, _ := parseID(b)
	return x.compare(y)
}

type entryID struct{ ms, seq uint64 }

func (a entryID) compare(b entryID) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.seq, b.seq))
}

func parseID(s string) (id entryID, ok bool) {
	ms, seq, both := strings.Cut(s, "-")
	if both {
		n, err := strconv.ParseUint(seq, 10, 64)
		if err != nil {
			return id, false
		}
		id.seq = n
	}
	n, err := strconv.ParseUint(ms, 10, 64)
	id.ms = n
	return id, err == nil
}
