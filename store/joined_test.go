package store

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
)

// TestOnlyJoinedProcessesShareARedis covers which process may use a Redis that another one uses.
func TestOnlyJoinedProcessesShareARedis(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name          string
		first, second bool   // joined
		refused       string // part of the error of the second; "": it shares the Redis
	}{
		{"both alone", false, false, "several servers share a Redis only if all of them were started with --join"},
		{"the first alone", false, true, "was started without --join"},
		{"the second alone", true, false, "servers started with --join (node.join) use this Redis"},
		{"both joined", true, true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			socket, _ := ownRedis(t)
			url, folder := "unix://"+socket, t.TempDir()
			first := got[*Store](t)(Open(t.Context(), Options{URL: url, Folder: folder, Joined: row.first, Log: quiet()}))
			defer first.Close()
			second, err := Open(t.Context(), Options{URL: url, Folder: t.TempDir(), Joined: row.second, Log: quiet()})
			if row.refused != "" {
				if err == nil || !strings.Contains(err.Error(), row.refused) {
					t.Fatalf("got %v, want %q", err, row.refused)
				}
				return
			}
			must(t, err)
			defer second.Close()
			for n := range 3 { // renewals in turns: neither takes the other for older data, or for another holder
				must(t, confirm(first))
				must(t, confirm(second))
				select {
				case err := <-first.Lost():
					t.Fatal(n, err)
				case err := <-second.Lost():
					t.Fatal(n, err)
				case notice := <-first.Notices():
					t.Fatal(n, notice)
				default:
				}
			}
			if first.ID() != second.ID() {
				t.Errorf("they use the stores %s and %s", first.ID(), second.ID())
			}
			first.Close()
			if _, err := Open(t.Context(), Options{URL: url, Folder: folder, Log: quiet()}); err == nil || !strings.Contains(err.Error(), "servers started with --join") {
				t.Errorf("a server alone, on the folder of one that has left, while another one runs: got %v", err)
			}
			second.Close()
			alone, log := openAt(t, url, folder)
			if log.count("waiting") != 0 {
				t.Errorf("it waited although the last node had left: %s", log)
			}
			must(t, alone.Ready())
		})
	}
}

func confirm(s *Store) error {
	m, err := s.core.Master(keys.Store)
	if err == nil {
		err = s.keeper.Confirm(context.Background(), m)
	}
	return err
}

// TestABatchIsResumedOnceItsNodeIsGone is row 11 of the design: a server that started ran the batches
// that another one was running.
func TestABatchIsResumedOnceItsNodeIsGone(t *testing.T) {
	t.Parallel()
	socket, _ := ownRedis(t)
	open := func() *Store {
		s := got[*Store](t)(Open(t.Context(), Options{URL: "unix://" + socket, Joined: true, Log: quiet()}))
		t.Cleanup(s.Close)
		return s
	}
	a := open()
	got[string](t)(a.Journal.Open(t.Context(), "batch"))
	b, c := open(), open()
	for _, s := range []*Store{a, b, c} {
		if unfinished := got[map[string]string](t)(s.Journal.Unfinished(t.Context())); len(unfinished) != 0 {
			t.Errorf("it is resumed while its node lives: %v", unfinished)
		}
	}
	amended := func(record string) string { return strings.TrimSuffix(record, " without a") + " without a" }
	for _, s := range []*Store{a, b} { // a's own batch is as a has it
		must(t, s.Journal.Amend(t.Context(), amended))
	}
	a.Close()
	until(t, "the others know", func() bool { return len(b.Nodes().Others()) == 1 && len(c.Nodes().Others()) == 1 })
	found := got[map[string]string](t)(b.Journal.Unfinished(t.Context()))
	if len(found) != 1 {
		t.Errorf("the first finds %v, want one batch", found)
	}
	for id, record := range found {
		if record != "batch without a" {
			t.Errorf("the batch is %q, want what b made of it", record)
		}
		must(t, c.Journal.Amend(t.Context(), func(string) string { return "" }))
		if now := got[string](t)(b.Journal.Record(t.Context(), id)); now != "" {
			t.Errorf("it is %q for the server that has it, want that it is not to be finished", now)
		}
		must(t, b.core.Do(t.Context(), keys.Journal, func(p redis.Pipeliner) redis.Cmder {
			return p.HSet(context.Background(), keys.Journal, id, record)
		}))
	}
	if again := got[map[string]string](t)(b.Journal.Unfinished(t.Context())); len(again) != 1 {
		t.Errorf("it finds %v again although it did not finish it, want that batch", again)
	}
	if again := got[map[string]string](t)(c.Journal.Unfinished(t.Context())); len(again) != 0 {
		t.Errorf("the second finds %v, which the first has", again)
	}
}
