//nolint:forbidigo // all sleeps are in synctest bubbles
package store

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/muster-iot/muster/fleet"
)

func TestAnAdmissionIsOneTripAndAWriteBackIsOne(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		_, _, product := newTeam(t, s)
		d := newDevice("a")
		d.Product = product.ID
		must(t, s.Devices.Create(ctx, d))
		got[*fleet.Catalog](t)(s.Catalogs.Catalog(ctx, product.ID))
		before := s.Stats()
		loaded := got[fleet.Device](t)(s.Devices.Device(ctx, "1/a"))
		c := got[*fleet.Catalog](t)(s.Catalogs.Catalog(ctx, product.ID))
		rev := got[uint64](t)(s.Devices.Save(ctx, &loaded, fleet.Update{To: version("7")}))
		got[*fleet.Catalog](t)(s.Catalogs.CatalogAt(ctx, product.ID, rev))
		after := s.Stats()
		if rev != c.Revision {
			t.Fatalf("the save returned revision %d, the catalog is at %d", rev, c.Revision)
		}
		if n := after.ReadTrips - before.ReadTrips; n != 1 || after.ReadCommands-before.ReadCommands != 1 {
			t.Errorf("admission: %d trips, %d commands, want 1 and 1", n, after.ReadCommands-before.ReadCommands)
		}
		if n := after.WriteTrips - before.WriteTrips; n != 1 || after.WriteCommands-before.WriteCommands != 1 {
			t.Errorf("write-back: %d trips, %d commands, want 1 and 1", n, after.WriteCommands-before.WriteCommands)
		}
	})
}

// brokenReplies carries out commands and then loses the replies of some trips: what a
// connection that breaks at the worst moment does.
type brokenReplies struct {
	mu   sync.Mutex
	lose int
}

func (h *brokenReplies) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *brokenReplies) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (h *brokenReplies) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.lose > 0 {
			h.lose--
			for _, c := range commands {
				c.SetErr(io.EOF)
			}
			return io.EOF
		}
		return err
	}
}

func TestAWriteWhoseReplyIsLostIsDoneOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		team, user, product := newTeam(t, s)
		wire := &brokenReplies{}
		hook(s, wire)
		lost := func(what string, write func() error) {
			t.Helper()
			wire.mu.Lock()
			wire.lose = 1
			wire.mu.Unlock()
			if err := write(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		d := newDevice("a")
		d.Product = product.ID
		lost("create", func() error { return s.Devices.Create(ctx, d) })
		lost("save", func() error {
			_, err := s.Devices.Save(ctx, d, fleet.Update{To: version("7"), Changed: at(1)})
			return err
		})
		lost("queue", func() error { _, err := s.Messages.Queue(ctx, fleet.Command{Device: "1/a"}); return err })
		lost("finish", func() error { return s.Messages.Finish(ctx, "1/a", 1, nil) })
		lost("append", func() error { _, err := s.Messages.Append(ctx, fleet.Message{Team: team.ID}); return err })
		lost("alert", func() error { _, err := s.Messages.Raise(ctx, fleet.Alert{Team: team.ID}); return err })
		lost("group", func() error { _, err := s.Teams.CreateGroup(ctx, fleet.Group{Team: team.ID, Name: "eu"}); return err })
		lost("token", func() error { return s.Teams.CreateToken(ctx, fleet.Token{ID: "k", User: user.ID}) })
		lost("catalog", func() error {
			_, err := s.Catalogs.EditCatalog(ctx, product.ID, func(c *fleet.Catalog) error { c.Default = version("7"); return nil })
			return err
		})
		saved := got[fleet.Device](t)(s.Devices.Device(ctx, "1/a"))
		if past := got[[]fleet.Update](t)(s.Devices.History(ctx, "1/a")); len(past) != 1 {
			t.Errorf("the update is %d times in the history", len(past))
		}
		if saved.LastCommand != 1 || saved.Pending != 0 {
			t.Errorf("last command %d, pending %d; want 1 and 0", saved.LastCommand, saved.Pending)
		}
		page, _, err := s.Messages.List(ctx, fleet.MessageQuery{Team: team.ID, Limit: 9})
		must(t, err)
		alerts, _, err := s.Messages.Alerts(ctx, team.ID, "", false, "", 9)
		must(t, err)
		if len(page) != 1 || len(alerts) != 1 {
			t.Errorf("%d messages and %d alerts, want 1 and 1", len(page), len(alerts))
		}
		lost("delete", func() error { return s.Devices.Delete(ctx, "1/a") })
	})
}

func TestForgottenScriptsAreLoadedAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		d := newDevice("a")
		must(t, s.Devices.Create(t.Context(), d))
		must(t, client(s).ScriptFlush(t.Context()).Err())
		got[uint64](t)(s.Devices.Save(t.Context(), d))
	})
}

func TestAClosedStoreIsUnavailableAndLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, open := range []func() (*Store, error){
		func() (*Store, error) { return Ephemeral(t.Context(), Options{Log: quiet()}) },
		func() (*Store, error) { return Serve(t.Context(), Options{Log: quiet(), Dir: t.TempDir()}) },
	} {
		s := got[*Store](t)(open())
		must(t, s.Devices.Create(t.Context(), newDevice("a")))
		s.Close()
		s.Close()
		if _, err := s.Devices.Device(t.Context(), "1/a"); !errors.Is(err, fleet.Unavailable) {
			t.Errorf("got %v, want unavailable", err)
		}
	}
}

// TestCallersInFakeTimeUseAStoreStartedOutside is how the tests of the whole path run.
func TestCallersInFakeTimeUseAStoreStartedOutside(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			must(t, s.Devices.Create(ctx, newDevice("a")))
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					_, err := s.Devices.Edit(ctx, "1/a", func(d *fleet.Device) error {
						d.Boot++
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			time.Sleep(2 * time.Second)
			if _, err := s.Devices.Device(ctx, "1/a"); !errors.Is(err, fleet.Unavailable) {
				t.Errorf("got %v after the deadline, want unavailable", err)
			}
		})
		if d := got[fleet.Device](t)(s.Devices.Device(t.Context(), "1/a")); d.Boot != 20 {
			t.Errorf("got %d edits, want 20", d.Boot)
		}
	})
}
