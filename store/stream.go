package store

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/pipeline"
)

// A stream keeps the records of one team in order. The id of an entry is its time in ms and a
// sequence number, and is the cursor that callers see. Ids only grow: if the clock goes back,
// new entries get the time of the newest.

// append adds a record with this time and returns its cursor.
func (c *core) append(ctx context.Context, key string, at time.Time, keep int, record string) (string, error) {
	reply, err := c.Run(ctx, appendScript, []string{key},
		c.Nonce(), strconv.FormatInt(at.UnixMilli(), 10), keep, c.oldestMillis(at), record)
	id, _ := reply.(string)
	return id, err
}

// oldestMillis returns the time from which records are kept for one append of 64, else "": to
// look for old records costs more than to append one.
func (c *core) oldestMillis(at time.Time) string {
	if c.appended.Add(1)%64 != 0 {
		return ""
	}
	return strconv.FormatInt(at.Add(-c.keep.Age).UnixMilli(), 10)
}

// streamQuery selects entries of one stream.
type streamQuery struct {
	from, to  time.Time // from inclusive, to exclusive; zero: open
	ascending bool
	after     string // cursor
	limit     int
}

const (
	streamChunk = 500     // entries read at a time, at most
	streamReach = 200_000 // entries looked at for one page, which may end short of its limit
)

// scan calls take for the entries of key that q selects, until take has returned true q.limit
// times. It returns the cursor to continue from, "" at the end.
func (c *core) scan(ctx context.Context, key string, q streamQuery, take func(id, record string) (bool, error)) (next string, err error) {
	low, high, err := q.bounds(time.Now().Add(-c.keep.Age))
	if err != nil {
		return "", err
	}
	taken, chunk := 0, int64(q.limit)+1 // enough for most pages
	for looked := 0; looked < streamReach; chunk = min(2*chunk, streamChunk) {
		entries, err := pipeline.Fetch(ctx, c.Pipeline, func(p redis.Pipeliner) pipeline.Result[[]redis.XMessage] {
			if q.ascending {
				return p.XRangeN(context.Background(), key, low, high, chunk)
			}
			return p.XRevRangeN(context.Background(), key, high, low, chunk)
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
			if taken == q.limit {
				if atEnd && i == len(entries)-1 {
					return "", nil
				}
				return next, nil
			}
		}
		if atEnd {
			return "", nil
		}
		if q.ascending {
			low = "(" + next
		} else {
			high = "(" + next
		}
	}
	return next, nil
}

// bounds returns the lowest and the highest id of q, not older than oldest.
func (q streamQuery) bounds(oldest time.Time) (low, high string, err error) {
	from := oldest
	if q.from.After(oldest) {
		from = q.from
	}
	low, high = strconv.FormatInt(max(from.UnixMilli(), 0), 10), "+"
	if !q.to.IsZero() {
		high = strconv.FormatInt(max(q.to.UnixMilli(), 0), 10) // the caller compares what is below a millisecond
	}
	if q.after == "" {
		return low, high, nil
	}
	after, ok := parseStreamID(q.after)
	if !ok {
		return "", "", fleet.FieldErrorf("after", "cursor %.60q is not one of this list", q.after)
	}
	if q.ascending {
		if start, _ := parseStreamID(low); after.compare(start) >= 0 {
			low = "(" + q.after
		}
		return low, high, nil
	}
	if end, bounded := parseStreamID(high); !bounded || after.compare(end) <= 0 {
		high = "(" + q.after
	}
	return low, high, nil
}

type streamID struct{ ms, seq uint64 }

func (a streamID) compare(b streamID) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.seq, b.seq))
}

func parseStreamID(s string) (id streamID, ok bool) {
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

// pageLimit returns limit, but at least 1 and at most 100 rows.
func pageLimit(limit int) int { return min(max(limit, 1), 100) }
