package store

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/repeat"
)

func TestARepeatIsTakenOnceAndHeldUntilItExpires(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		soon := time.Hour
		take := func(id, record string, lifetime time.Duration) string {
			return got[string](t)(s.Repeats.Take(ctx, 1, id, record, lifetime))
		}
		if held := take("a", "first", soon); held != "first" {
			t.Errorf("the first: got %q", held)
		}
		if held := take("a", "first", soon); held != "first" {
			t.Errorf("a retry of the same write: got %q", held)
		}
		if held := take("a", "second", soon); held != "first" {
			t.Errorf("the second: got %q, want what the first kept", held)
		}
		if held := got[string](t)(s.Repeats.Take(ctx, 2, "a", "other", soon)); held != "other" {
			t.Errorf("another team: got %q", held)
		}
		must(t, s.Repeats.Settle(ctx, 1, "a", "done\x00\xff"))
		if held := take("a", "third", soon); held != "done\x00\xff" {
			t.Errorf("settled: got %q", held)
		}
		must(t, s.Repeats.Settle(ctx, 1, "a", ""))
		if held := take("a", "fourth", soon); held != "fourth" {
			t.Errorf("forgotten: got %q", held)
		}
		must(t, s.Repeats.Settle(ctx, 1, "never taken", "x"))
		if held := take("never taken", "y", soon); held != "y" {
			t.Errorf("settled without being taken: got %q", held)
		}
		take("b", "old", -time.Second)
		if held := take("b", "new", soon); held != "new" {
			t.Errorf("expired: got %q", held)
		}
	})
}

func TestRepeatsOfATeamAreBoundedAndGoWithIt(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		team, _, product := newTeam(t, s)
		for i := range repeat.Most + 5 {
			got[string](t)(s.Repeats.Take(ctx, team.ID, strconv.Itoa(i), "x", time.Hour+time.Duration(i)*time.Second))
		}
		for _, key := range []string{keys.Repeats(team.ID), keys.RepeatOrder(team.ID)} {
			if n := held(t, s, key); n != repeat.Most {
				t.Errorf("%s: got %d records, want %d", key, n, repeat.Most)
			}
		}
		must(t, s.Catalogs.DeleteProduct(ctx, product.ID))
		must(t, s.Teams.DeleteTeam(ctx, team.ID))
		for _, key := range []string{keys.Repeats(team.ID), keys.RepeatOrder(team.ID)} {
			if n := held(t, s, key); n != 0 {
				t.Errorf("%s: %d records outlive their team", key, n)
			}
		}
	})
}

// held is how many records are at key, a hash or a sorted set.
func held(t *testing.T, s *Store, key string) int64 {
	t.Helper()
	count := func(p redis.Pipeliner) pipeline.Result[int64] { return p.HLen(context.Background(), key) }
	if key == keys.RepeatOrder(1) {
		count = func(p redis.Pipeliner) pipeline.Result[int64] { return p.ZCard(context.Background(), key) }
	}
	return got[int64](t)(pipeline.Fetch(t.Context(), s.core.Pipeline, key, count))
}
