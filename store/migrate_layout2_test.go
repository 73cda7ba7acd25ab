package store

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

// toLayout2 gives the keys of the devices and products of a closed store the names of layout 2.
func toLayout2(t *testing.T, c redis.UniversalClient, devices []fleet.DeviceID, products []fleet.Product) {
	t.Helper()
	ctx := t.Context()
	pipe := c.Pipeline()
	for i, id := range devices {
		if i%1000 == 999 {
			_, _ = pipe.Exec(ctx)
		}
		old := keys.OfLayout2(id)
		pipe.Rename(ctx, keys.Device(id), old.Record)
		pipe.Rename(ctx, keys.History(id), old.History)
		pipe.Rename(ctx, keys.Outbox(id), old.Outbox)
		pipe.Del(ctx, keys.Holders(id))
	}
	for _, p := range products {
		pipe.Del(ctx, keys.Slug(p.Team, p.Slug))
		pipe.Set(ctx, keys.OlderSlug(p.Slug), p.ID.String(), 0)
	}
	pipe.HSet(ctx, keys.Store, "layout", "2")
	_, _ = pipe.Exec(ctx) // most devices have no history and no commands
}

// docs/adr/0040: keys stay in their slots, so that a Cluster is migrated in place.
func TestAStoreOfLayout2IsMigratedWhereItIs(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		if strings.HasSuffix(t.Name(), "/ephemeral") {
			t.Skip("it is never migrated")
		}
		ctx := t.Context()
		team, owner, product := newTeam(t, s)
		second := got[fleet.Team](t)(s.Teams.CreateTeam(ctx, fleet.Team{Name: "second"}, fleet.Member{User: owner.ID, Email: owner.Email}))
		lock := got[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, fleet.Product{Team: second.ID, Name: "Lock", Slug: "lock"}))
		count := 300
		if n, err := strconv.Atoi(os.Getenv("DEVICES")); err == nil {
			count = n
		}
		var ids []fleet.DeviceID
		var many []*fleet.Device
		for i := range count {
			d := newDevice(fleet.DeviceID(fmt.Sprint("lamp-", i)))
			d.Team, d.Product, d.ID = team.ID, product.ID, fleet.DeviceID(fmt.Sprint("lamp-", i)).In(team.ID)
			if i%3 == 0 {
				d.Team, d.Product, d.ID = second.ID, lock.ID, d.ID.In(second.ID)
			}
			ids, many = append(ids, d.ID), append(many, d)
		}
		for _, err := range s.Devices.CreateMany(ctx, many) {
			must(t, err)
		}
		for i := 0; i < count; i += 2 {
			got[uint64](t)(s.Devices.Save(ctx, many[i], fleet.Update{To: version("7"), Changed: at(1)}))
			got[fleet.Command](t)(s.Messages.Queue(ctx, fleet.Command{Device: ids[i], Name: "blink"}))
		}
		want := entries(s.Index)
		c := client(s)
		toLayout2(t, c, ids, []fleet.Product{product, lock})
		is := got[string](t)(c.HGet(ctx, keys.Store, "layout").Result())
		if is != "2" {
			t.Fatalf("the store has layout %s", is)
		}
		for n := range 8 { // and each of them is run again after its end
			ctx, cancel := context.WithTimeout(ctx, time.Duration(n)*time.Millisecond)
			if err := s.migrate(ctx, got[pipeline.Master](t)(s.core.Master(keys.Store)), false, mute); err == nil {
				t.Logf("a migration took less than %d ms", n)
			}
			cancel()
			if is := got[string](t)(c.HGet(t.Context(), keys.Store, "layout").Result()); is != "2" && is != identity.Migrating && is != identity.Current {
				t.Errorf("after a migration that was ended the layout is %s", is)
			}
		}
		var said []string
		say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
		began := time.Now()
		must(t, s.migrate(ctx, got[pipeline.Master](t)(s.core.Master(keys.Store)), false, say))
		t.Logf("%d devices took %v: %s", count, time.Since(began), strings.Join(said, "\n"))
		if is := got[string](t)(c.HGet(ctx, keys.Store, "layout").Result()); is != identity.Current {
			t.Errorf("the store has layout %s", is)
		}
		if diff := cmp.Diff(want, scanned(s), sameVersion); diff != "" {
			t.Error(diff)
		}
		for _, p := range []fleet.Product{product, lock} {
			if found := got[fleet.Product](t)(s.Catalogs.ProductBySlug(ctx, p.Team, p.Slug)); found.ID != p.ID {
				t.Errorf("the slug %s is that of product %s", p.Slug, found.ID)
			}
		}
		if past := got[[]fleet.Update](t)(s.Devices.History(ctx, ids[0])); len(past) != 1 {
			t.Errorf("a device has %d past updates, want 1", len(past))
		}
		if commands := got[[]fleet.Command](t)(s.Messages.Commands(ctx, ids[0])); len(commands) != 1 {
			t.Errorf("a device has %d commands, want 1", len(commands))
		}
		if all := got[[]fleet.Device](t)(s.Devices.Namesakes(ctx, "lamp-0")); len(all) != 1 || all[0].ID != ids[0] {
			t.Errorf("%v have the id", all)
		}
		// From now on the other team may have the same.
		got[fleet.Product](t)(s.Catalogs.CreateProduct(ctx, fleet.Product{Team: team.ID, Name: "Lock", Slug: "lock"}))
		newer := newDevice(ids[0])
		newer.Team, newer.ID = team.ID, ids[0].In(team.ID)
		must(t, s.Devices.Create(ctx, newer))
		if all := got[[]fleet.Device](t)(s.Devices.Namesakes(ctx, "lamp-0")); len(all) != 2 || all[0].ID != ids[0] || newer.Namesakes != 1 {
			t.Errorf("%v have the id, want the migrated one first", all)
		}
	})
}
