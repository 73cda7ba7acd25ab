// Package storetest opens stores for the tests of packages above store.
package storetest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/redistest"
)

// Open returns an empty store, with a complete index, in a database of its own. The redis-server is that of all tests
// of the process: a test must not stop or configure it. The store is closed at the end of the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	url, release, err := redistest.Database()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	})
	s, err := store.Open(context.Background(), store.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	return opened(t, s, err)
}

// InMemory opens a store in this process, for tests in a bubble of testing/synctest, whose clock stands still
// while anything waits for a socket.
func InMemory(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Ephemeral(context.Background(), store.Options{Log: slog.New(slog.DiscardHandler)})
	return opened(t, s, err)
}

func opened(t testing.TB, s *store.Store, err error) *store.Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Index.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}
