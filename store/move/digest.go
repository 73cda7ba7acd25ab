package move

import (
	"context"
	"fmt"
	"hash/maphash"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/pipeline"
)

// page is how much of a large value is read in one trip.
const page = 5000

// digests returns a number for each value, which is the same for equal values in whatever encoding
// and order a Redis keeps them; 0 for a key that is absent.
func (s *Move) digests(ctx context.Context, c redis.Cmdable, names []string) (map[string]uint64, error) {
	pipe := c.Pipeline()
	kinds := make([]*redis.StatusCmd, len(names))
	for i, name := range names {
		kinds[i] = pipe.Type(ctx, name)
	}
	if err := pipeline.Exec(ctx, pipe); err != nil {
		return nil, err
	}
	sums, pipe := make(map[string]uint64, len(names)), c.Pipeline()
	var settle []func() error
	for i, name := range names {
		switch kind := kinds[i].Val(); kind {
		case "none":
		case "hash":
			sent := pipe.HGetAll(ctx, name)
			settle = append(settle, func() error {
				sum := uint64(1)
				for field, value := range sent.Val() {
					sum += s.hash(field, value)
				}
				sums[name] = sum
				return sent.Err()
			})
		case "list":
			sent := pipe.LRange(ctx, name, 0, -1)
			settle = append(settle, func() error {
				sums[name] = s.hash(sent.Val()...)
				return sent.Err()
			})
		case "string":
			sent := pipe.Get(ctx, name)
			settle = append(settle, func() error {
				sums[name] = s.hash(sent.Val())
				return sent.Err()
			})
		case "set":
			sent := pipe.SMembers(ctx, name)
			settle = append(settle, func() error {
				sum := uint64(1)
				for _, member := range sent.Val() {
					sum += s.hash(member)
				}
				sums[name] = sum
				return sent.Err()
			})
		case "zset":
			settle = append(settle, func() (err error) {
				sums[name], err = s.sortedSet(ctx, c, name)
				return err
			})
		case "stream":
			settle = append(settle, func() (err error) {
				sums[name], err = s.stream(ctx, c, name)
				return err
			})
		default:
			return nil, fmt.Errorf("%s is of the unknown type %s", name, kind)
		}
	}
	if pipe.Len() > 0 {
		_ = pipeline.Exec(ctx, pipe) // each reply has its own error
	}
	for _, f := range settle {
		if err := f(); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// hash is the hash of words, each with its length.
func (s *Move) hash(words ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, word := range words {
		_, _ = h.WriteString(strconv.Itoa(len(word)) + ":" + word)
	}
	return h.Sum64()
}

func (s *Move) sortedSet(ctx context.Context, c redis.Cmdable, name string) (sum uint64, err error) {
	for at := int64(0); ; at += page {
		members, err := c.ZRangeWithScores(ctx, name, at, at+page-1).Result()
		if err != nil {
			return 0, err
		}
		for _, m := range members {
			member, _ := m.Member.(string)
			sum += s.hash(member, strconv.FormatFloat(m.Score, 'g', -1, 64))
		}
		if len(members) < page {
			return sum + 1, nil
		}
	}
}

func (s *Move) stream(ctx context.Context, c redis.Cmdable, name string) (sum uint64, err error) {
	for low := "-"; ; {
		entries, err := c.XRangeN(ctx, name, low, "+", page).Result()
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			words := uint64(0)
			for field, value := range e.Values {
				text, _ := value.(string)
				words += s.hash(field, text)
			}
			sum += s.hash(e.ID, strconv.FormatUint(words, 16))
		}
		if len(entries) < page {
			return sum + 1, nil
		}
		low = "(" + entries[len(entries)-1].ID
	}
}
