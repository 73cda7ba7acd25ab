package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/redistest"
)

// useCluster gives a test the shared Cluster, emptied.
func useCluster(t *testing.T) *redistest.Cluster {
	t.Helper()
	openShared(t, &cluster).Close()
	must(t, cluster.servers.Empty())
	return cluster.servers
}

// movable puts a store of this layout, which is not small, into a Redis of its own.
func movable(t *testing.T) (socket string, client *redis.Client, folder string) {
	t.Helper()
	socket, client = ownRedis(t)
	restore(t, client)
	folder = t.TempDir()
	must(t, Migrate(t.Context(), Options{URL: "unix://" + socket, Folder: folder, Log: quiet()}, false, mute))
	return socket, client, folder
}

// everywhere returns what all masters of a Cluster have, without what a start adds.
func everywhere(t *testing.T, c *redistest.Cluster) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, n := range c.Masters() {
		maps.Copy(all, contents(t, n.Client))
	}
	maps.DeleteFunc(all, func(key string, _ any) bool { return slices.Contains(keys.Marks[:], key) })
	return all
}

func TestAMovedStoreHasEverythingItHad(t *testing.T) {
	t.Parallel()
	t.Run("to a cluster", func(t *testing.T) {
		c := useCluster(t)
		moved(t, c.URL(), c.Client, func() map[string]any { return everywhere(t, c) })
	})
	t.Run("to another redis", func(t *testing.T) {
		socket, client := ownRedis(t)
		moved(t, "unix://"+socket, client, func() map[string]any {
			all := contents(t, client)
			maps.DeleteFunc(all, func(key string, _ any) bool { return slices.Contains(keys.Marks[:], key) })
			return all
		})
	})
}

// moved moves a store to url. found returns what is there, without what a start adds.
func moved(t *testing.T, url string, there redis.Cmdable, found func() map[string]any) {
	socket, client, folder := movable(t)
	s, _ := openAt(t, "unix://"+socket, folder)
	twin := inTeam(2, "lamp-1") // another team has the same id, and the same slug
	must(t, s.Devices.Create(t.Context(), twin))
	product := got[fleet.Product](t)(s.Catalogs.CreateProduct(t.Context(), fleet.Product{Team: 2, Name: "Lamp", Slug: "lamp"}))
	s.Close()
	must(t, client.Expire(t.Context(), keys.Journal, time.Hour).Err())
	must(t, client.Set(t.Context(), keys.Token("soon"), "x", time.Hour).Err())
	before := contents(t, client)
	var said strings.Builder
	o := Options{URL: "unix://" + socket, Folder: folder, Log: quiet()}
	say := func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
	must(t, Move(t.Context(), o, url, say))
	if !strings.Contains(said.String(), fmt.Sprintf("the values of all %d keys are equal", len(before)-1)) {
		t.Errorf("it said %s, want all but the store hash of %d keys", &said, len(before))
	}
	if diff := cmp.Diff(before, found()); diff != "" {
		t.Errorf("what is there differs:\n%s", diff)
	}
	if ttl := got[time.Duration](t)(there.TTL(t.Context(), keys.Token("soon")).Result()); ttl < 50*time.Minute {
		t.Errorf("a key that had an hour has %s", ttl)
	}
	if err := refused(t, "unix://"+socket, folder); !strings.Contains(err.Error(), "was moved from here") {
		t.Errorf("a start on the old redis: %v", err)
	}
	said.Reset()
	must(t, Move(t.Context(), o, url, say))
	if !strings.Contains(said.String(), "moved there already") {
		t.Errorf("moved again, it said %s", &said)
	}
	s, log := openAt(t, url, folder)
	checkDevices(t, s)
	if all := got[[]fleet.Device](t)(s.Devices.Namesakes(t.Context(), "lamp-1")); len(all) != 2 || all[1].ID != twin.ID {
		t.Errorf("%v have the id, want also that of team 2", all)
	}
	for team, want := range map[fleet.TeamID]bool{1: false, 2: true} {
		if p := got[fleet.Product](t)(s.Catalogs.ProductBySlug(t.Context(), team, "lamp")); (p.ID == product.ID) != want {
			t.Errorf("of team %s, the slug is that of product %s", team, p.ID)
		}
	}
	if n := log.count("older data"); n > 0 {
		t.Error("the moved store seems older than its folder")
	}
}

// TestAMoveThatIsKilledCanBeRunAgain cuts the connections to the old Redis after any byte. In between,
// a server uses the store there.
func TestAMoveThatIsKilledCanBeRunAgain(t *testing.T) {
	t.Parallel()
	c := useCluster(t)
	const plenty = 1 << 30
	move := func(socket, folder string, bytes int) (sent int, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l := newLink(t, socket, bytes, cancel)
		err = Move(ctx, Options{URL: "unix://" + l.listener.Addr().String(), Folder: folder, Log: quiet()}, c.URL(), mute)
		l.close()
		l.all.Wait()
		return bytes - l.left, err
	}
	socket, _, folder := movable(t)
	all, err := move(socket, folder, plenty)
	must(t, err)
	finished := 0
	const rounds = 8
	for round := range rounds {
		must(t, c.Empty())
		socket, client, folder := movable(t)
		at := 1 + rand.IntN(all)
		if round%2 == 0 {
			at = all - rand.IntN(all/8) // much is copied by then
		}
		if _, err := move(socket, folder, at); err == nil {
			finished++
		}
		if layout := client.HGet(t.Context(), keys.Store, "layout").Val(); layout == identity.Current {
			s, _ := openAt(t, "unix://"+socket, folder)
			must(t, s.Devices.Delete(t.Context(), "1/lamp-1"))
			got[fleet.Device](t)(s.Devices.Edit(t.Context(), "1/lamp-2", func(d *fleet.Device) error { d.Name = "changed"; return nil }))
			s.Close()
		}
		want := contents(t, client)
		if _, err := move(socket, folder, plenty); err != nil {
			t.Errorf("killed after %d of %d bytes: %v", at, all, err)
			continue
		}
		there := everywhere(t, c)
		want[keys.Store] = there[keys.Store]
		if diff := cmp.Diff(want, there); diff != "" {
			t.Errorf("killed after %d of %d bytes, the cluster differs:\n%s", at, all, diff)
		}
	}
	if finished == rounds {
		t.Error("no move was killed before its end")
	}
}

func TestAStoreThatArrivesIsNotUsed(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	must(t, client.HSet(t.Context(), keys.Store, "id", "X", "layout", "arriving", "epoch", "newer").Err())
	if err := refused(t, "unix://"+socket, t.TempDir()); !strings.Contains(err.Error(), "run muster store move again") {
		t.Errorf("got %v", err)
	}
}

func TestWhatAMoveRefuses(t *testing.T) {
	t.Parallel()
	from, client, folder := movable(t)
	for name, row := range map[string]struct {
		prepare func(t *testing.T, c *redis.Client)
		says    string
	}{
		"a redis with something else": {
			func(t *testing.T, c *redis.Client) { must(t, c.Set(t.Context(), "another", "x", 0).Err()) },
			"is not empty: it has 1 keys",
		},
		"a redis with another store": {
			func(t *testing.T, c *redis.Client) { must(t, c.HSet(t.Context(), keys.Store, "id", "X").Err()) },
			"holds another store",
		},
		"a copy of itself": {
			func(t *testing.T, c *redis.Client) {
				id := client.HGet(t.Context(), keys.Store, "id").Val()
				must(t, c.HSet(t.Context(), keys.Store, "id", id, "layout", identity.Current).Err())
			},
			"is that of this store, or a copy of it",
		},
	} {
		t.Run(name, func(t *testing.T) { // in turns: each move has the store
			socket, to := ownRedis(t)
			row.prepare(t, to)
			before := contents(t, to)
			err := Move(t.Context(), Options{URL: "unix://" + from, Folder: folder, Log: quiet()}, "unix://"+socket, mute)
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want that it says %q", err, row.says)
			}
			if diff := cmp.Diff(before, contents(t, to)); diff != "" {
				t.Errorf("the other redis has changed:\n%s", diff)
			}
		})
	}
	openAt(t, "unix://"+from, folder)
}
