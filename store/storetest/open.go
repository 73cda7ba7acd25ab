// Package storetest opens stores for the tests of packages above store.
package storetest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/muster-iot/muster/store"
)

// Open returns an ephemeral store with a complete index, which is closed at the end of the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Ephemeral(context.Background(), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Index.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}
