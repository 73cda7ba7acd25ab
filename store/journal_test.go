package store

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
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
