package store

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/identity"
	"github.com/muster-iot/muster/store/keys"
)

// refused opens a store that must be refused because of its layout.
func refused(t *testing.T, url, folder string) *identity.OtherLayout {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url, Folder: folder, Log: quiet()})
	if err == nil {
		s.Close()
		t.Fatal("the store was opened")
	}
	var other *identity.OtherLayout
	if !errors.As(err, &other) {
		t.Fatalf("got %v, want that the layout is another one", err)
	}
	return other
}

func TestAStoreOfAnotherLayoutIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		prepare func(c *redis.Client) error
		older   bool
		says    string
	}{
		"an older one": {
			func(c *redis.Client) error { return c.HDel(t.Context(), keys.Store, "layout").Err() },
			true, "the store has layout 1, and this release needs layout 3: make a backup, then run muster store migrate",
		},
		"one from before stores had ids": {
			func(c *redis.Client) error { return c.Del(t.Context(), keys.Store).Err() },
			true, "layout 1",
		},
		"a newer one": {
			func(c *redis.Client) error { return c.HSet(t.Context(), keys.Store, "layout", keys.Layout+1).Err() },
			false, "the store has layout 4, and this release knows layouts up to 3 only",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket, client := ownRedis(t)
			s, _ := openAt(t, "unix://"+socket, "")
			newTeam(t, s)
			s.Close()
			must(t, row.prepare(client))
			before := got[map[string]string](t)(client.HGetAll(t.Context(), keys.Store).Result())
			err := refused(t, "unix://"+socket, t.TempDir())
			if err.Older() != row.older || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %q, older: %v", err, err.Older())
			}
			if after := got[map[string]string](t)(client.HGetAll(t.Context(), keys.Store).Result()); len(after) != len(before) {
				t.Errorf("a start that was refused has changed the store from %v to %v", before, after)
			}
		})
	}
}

func TestANewStoreHasTheLayoutOfThisRelease(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	openAt(t, "unix://"+socket, "")
	if got := got[string](t)(client.HGet(t.Context(), keys.Store, "layout").Result()); got != strconv.Itoa(keys.Layout) {
		t.Errorf("got layout %s, want %d", got, keys.Layout)
	}
}

// TestAReleaseOfLayout1FailsToTakeAStore runs the script that those releases take a store with:
// they do not look for a layout, and would find an empty fleet.
func TestAReleaseOfLayout1FailsToTakeAStore(t *testing.T) {
	t.Parallel()
	socket, client := ownRedis(t)
	s, _ := openAt(t, "unix://"+socket, "")
	s.Close()
	take := redis.NewScript(string(got[[]byte](t)(os.ReadFile("testdata/layout1/take.lua"))))
	for name, id := range map[string]string{"with its folder": s.ID(), "with a new folder": ""} {
		err := take.Run(t.Context(), client, []string{keys.Store, keys.Lease}, id, "NEW", "holder", "place", 1000, "1").Err()
		if err == nil {
			t.Errorf("%s: it has taken the store", name)
		}
	}
	if n := got[int64](t)(client.Exists(t.Context(), keys.Lease).Result()); n != 0 {
		t.Error("it has the lease")
	}
	openAt(t, "unix://"+socket, "")
}

func TestKeysOfADeviceAreInTheSlotsOfItsBucket(t *testing.T) {
	t.Parallel()
	s := openShared(t, &cluster)
	reached := map[int]bool{}
	for n := 0; len(reached) < keys.Buckets; n++ {
		id := fleet.DeviceID(strconv.Itoa(n)).In(1)
		bucket := keys.Bucket(id)
		if reached[bucket] {
			continue
		}
		reached[bucket] = true
		var inSlots []int64
		for _, key := range []string{keys.Device(id.In(1)), keys.History(id.In(1)), keys.Outbox(id.In(1))} {
			inSlots = append(inSlots, got[int64](t)(client(s).ClusterKeySlot(t.Context(), key).Result()))
		}
		if inSlots = slices.Compact(inSlots); len(inSlots) != 1 || int(inSlots[0])/64 != bucket {
			t.Errorf("%s of bucket %d is in the slots %v", id, bucket, inSlots)
		}
	}
}
