package store

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
)

func TestTheJournalHoldsWhatWasOpenedAndNotClosed(t *testing.T) {
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
