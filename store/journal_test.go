package store

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
)

func TestTheJournalHoldsWhatWasOpenedAndNotClosed(t *testing.T) {
	t.Parallel()
	s := openEphemeral(t)
	ctx := context.Background()
	first := got[string](t)(s.Journal.Open(ctx, "one"))
	second := got[string](t)(s.Journal.Open(ctx, "two"))
	must(t, s.Journal.Close(ctx, first))
	must(t, s.Journal.Close(ctx, "never opened"))
	if diff := cmp.Diff(got[map[string]string](t)(s.Journal.Unfinished(ctx)), map[string]string{second: "two"}); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
}

func TestTheJournalOfAClosedStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	s := openEphemeral(t)
	s.Close()
	_, open := s.Journal.Open(t.Context(), "one")
	_, unfinished := s.Journal.Unfinished(t.Context())
	for method, err := range map[string]error{"open": open, "close": s.Journal.Close(t.Context(), "1"), "unfinished": unfinished} {
		if !errors.Is(err, fleet.Unavailable) {
			t.Errorf("%s: got %v, want unavailable", method, err)
		}
	}
}

func TestAFencedEntryIsNeverFinished(t *testing.T) {
	t.Parallel()
	s := openEphemeral(t)
	ctx := t.Context()
	open := got[string](t)(s.Journal.Open(ctx, "one"))
	must(t, s.Journal.Fence(ctx, open))
	must(t, s.Journal.Fence(ctx, "late"))
	must(t, s.core.Do(ctx, keys.Journal, func(p redis.Pipeliner) redis.Cmder { // an Open that Redis carries out after its caller gave up
		return p.HSetNX(context.Background(), keys.Journal, "late", "two")
	}))
	if left := got[map[string]string](t)(s.Journal.Unfinished(ctx)); len(left) != 0 {
		t.Errorf("unfinished: %v", left)
	}
	if n := got[int64](t)(client(s).HLen(ctx, keys.Journal).Result()); n != 0 {
		t.Errorf("%d entries are kept for ever", n)
	}
}
