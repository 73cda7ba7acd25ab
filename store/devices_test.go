package store

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
)

var sameVersion = cmp.Comparer(func(a, b fleet.Version) bool { return a == b })

func TestADeviceIsReadAsItWasSaved(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		d := newDevice("a")
		must(t, s.Devices.Create(t.Context(), d))
		first := d.Revision
		d.Running, d.Groups, d.Secret = version("1.4.0-rc.1"), []fleet.GroupID{3, 9}, fleet.Secret{1, 0, 2}
		d.Update = fleet.Update{ID: fleet.NewUpdateID(), To: version("7"), State: fleet.Downloading, Next: 4096, Changed: at(3)}
		if _, err := s.Devices.Save(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if d.Revision <= first {
			t.Errorf("revision %d after a save at %d: it must grow", d.Revision, first)
		}
		read := got[fleet.Device](t)(s.Devices.Device(t.Context(), "1/a"))
		if diff := cmp.Diff(read, *d, sameVersion); diff != "" {
			t.Errorf("read (-) differs from saved (+):\n%s", diff)
		}
	})
}

func TestASaveAtAnOldRevisionIsAConflict(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		d := newDevice("a")
		must(t, s.Devices.Create(t.Context(), d))
		old := *d
		got[uint64](t)(s.Devices.Save(t.Context(), d))
		old.Name = "late"
		if _, err := s.Devices.Save(t.Context(), &old); !errors.Is(err, fleet.Conflict) {
			t.Errorf("got %v, want a conflict", err)
		}
		if read := got[fleet.Device](t)(s.Devices.Device(t.Context(), "1/a")); read.Name != d.Name {
			t.Errorf("the late save wrote its name %q", read.Name)
		}
	})
}

func TestAnAbsentDeviceIsNotFound(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		d := newDevice("a")
		must(t, s.Devices.Create(t.Context(), d))
		must(t, s.Devices.Delete(t.Context(), "1/a"))
		_, loading := s.Devices.Device(t.Context(), "1/a")
		_, saving := s.Devices.Save(t.Context(), d)
		for what, err := range map[string]error{"load": loading, "save": saving, "delete": s.Devices.Delete(t.Context(), "1/a")} {
			if !errors.Is(err, fleet.NotFound) {
				t.Errorf("%s: got %v, want not found", what, err)
			}
		}
	})
}

func TestAnIDIsTakenOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		var many []*fleet.Device
		for i := range 300 {
			many = append(many, newDevice(fleet.DeviceID(fmt.Sprint("d", i%200))))
		}
		for i, err := range s.Devices.CreateMany(t.Context(), many) {
			if taken := i >= 200; errors.Is(err, fleet.Conflict) != taken {
				t.Fatalf("device %d: got %v, conflict wanted: %v", i, err, taken)
			}
		}
	})
}

func TestADeviceCreatedAgainHasNoRevisionOfItsFormerSelf(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		d := newDevice("a")
		must(t, s.Devices.Create(t.Context(), d))
		got[uint64](t)(s.Devices.Save(t.Context(), d, fleet.Update{To: version("2"), Changed: at(1)}))
		must(t, s.Devices.Delete(t.Context(), "1/a"))
		must(t, s.Devices.Create(t.Context(), newDevice("a")))
		if _, err := s.Devices.Save(t.Context(), d); err == nil {
			t.Error("a save of the deleted device was taken for one of the new")
		}
		if past := got[[]fleet.Update](t)(s.Devices.History(t.Context(), "1/a")); len(past) != 0 {
			t.Errorf("the new device has the history of the deleted: %v", past)
		}
	})
}

func TestConcurrentEditsLoseNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.Devices.Create(t.Context(), newDevice("a")))
		const editors, edits = 16, 10
		var all sync.WaitGroup
		for range editors {
			all.Go(func() {
				for range edits {
					_, err := s.Devices.Edit(t.Context(), "1/a", func(d *fleet.Device) error {
						d.Boot++
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if d := got[fleet.Device](t)(s.Devices.Device(t.Context(), "1/a")); d.Boot != editors*edits {
			t.Errorf("got %d edits, want %d", d.Boot, editors*edits)
		}
	})
}

func TestHistoryKeepsTheNewestUpdates(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		s.core.keep.Updates = 3
		d := newDevice("a")
		must(t, s.Devices.Create(t.Context(), d))
		got[uint64](t)(s.Devices.Save(t.Context(), d, fleet.Update{To: version("1"), Changed: at(1)}, fleet.Update{To: version("2"), Changed: at(2)}))
		got[uint64](t)(s.Devices.Save(t.Context(), d, fleet.Update{To: version("3"), Changed: at(3)}, fleet.Update{To: version("4"), Changed: at(4)}))
		var versions []string
		for _, u := range got[[]fleet.Update](t)(s.Devices.History(t.Context(), "1/a")) {
			versions = append(versions, u.To.String())
		}
		if diff := cmp.Diff(versions, []string{"4", "3", "2"}); diff != "" {
			t.Errorf("got (-), want (+):\n%s", diff)
		}
		s.core.keep.Age = 1
		if past := got[[]fleet.Update](t)(s.Devices.History(t.Context(), "1/a")); len(past) != 0 {
			t.Errorf("updates older than the age kept are shown: %v", past)
		}
	})
}

func TestASaveReturnsTheRevisionOfTheCatalog(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		_, _, product := newTeam(t, s)
		d := newDevice("a")
		d.Product = product.ID
		must(t, s.Devices.Create(t.Context(), d))
		edited := got[*fleet.Catalog](t)(s.Catalogs.EditCatalog(t.Context(), product.ID, func(c *fleet.Catalog) error {
			c.Default = version("7")
			return nil
		}))
		if rev := got[uint64](t)(s.Devices.Save(t.Context(), d)); rev != edited.Revision {
			t.Errorf("got catalog revision %d, want %d", rev, edited.Revision)
		}
		d.Product = 99
		if rev := got[uint64](t)(s.Devices.Save(t.Context(), d)); rev != math.MaxUint64 {
			t.Errorf("got catalog revision %d of a product that is not known, want the highest: it has to be read", rev)
		}
	})
}

// TestAStateOfTheSameRevisionByAnotherWriteIsNotOverwritten is what a fail-over can leave: the
// write that was read is lost, and another one got its revision.
func TestAStateOfTheSameRevisionByAnotherWriteIsNotOverwritten(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.Devices.Create(ctx, newDevice("a")))
		lost := got[fleet.Device](t)(s.Devices.Device(ctx, "1/a"))
		lost.Name = "read before the fail-over"
		must(t, client(s).HSet(ctx, keys.Device("1/a"), "w", "another", "n", "by another write").Err())
		if _, err := s.Devices.Save(ctx, &lost); !errors.Is(err, fleet.Conflict) {
			t.Errorf("got %v, want conflict", err)
		}
		if d := got[fleet.Device](t)(s.Devices.Device(ctx, "1/a")); d.Name != "by another write" {
			t.Errorf("got name %q", d.Name)
		}
	})
}
