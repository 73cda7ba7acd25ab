package keys_test

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/slots"
)

// inBucket returns an id in each bucket.
func inBucket() (ids [keys.Buckets]fleet.DeviceID) {
	for n, found := 0, 0; found < keys.Buckets; n++ {
		id := fleet.DeviceID("device-" + strconv.Itoa(n)).In(7)
		if b := keys.Bucket(id); ids[b] == "" {
			ids[b] = id
			found++
		}
	}
	return ids
}

func TestABucketIsTheHashOfTheID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "a", "lamp-7", strings.Repeat("x:", 64)} {
		h := fnv.New32a()
		_, _ = h.Write([]byte(id))
		if got, want := keys.Bucket(fleet.DeviceID(id)), int(h.Sum32()%256); got != want {
			t.Errorf("%q is in bucket %d, want %d", id, got, want)
		}
	}
}

func TestTheTagOfABucketIsTheShortestDecimalInItsSlots(t *testing.T) {
	t.Parallel()
	for bucket, id := range inBucket() {
		_, tag, _ := strings.Cut(keys.Device(id), "{")
		tag, _, _ = strings.Cut(tag, "}")
		number, err := strconv.Atoi(tag)
		if err != nil {
			t.Fatal(err)
		}
		for n := range number + 1 {
			if got := slots.Of(strconv.Itoa(n)) / 64; (got == bucket) != (n == number) {
				t.Errorf("the tag of bucket %d is %s, but %d is in bucket %d", bucket, tag, n, got)
			}
		}
	}
}

func TestEverythingOfADeviceIsInOneSlot(t *testing.T) {
	t.Parallel()
	for bucket, id := range inBucket() {
		slot := slots.Of(keys.Device(id))
		if slot/64 != bucket || slots.Of(keys.History(id)) != slot || slots.Of(keys.Outbox(id)) != slot || slots.Of(keys.Holders(id)) != slot {
			t.Errorf("%s of bucket %d is in slots %d, %d, %d", id, bucket, slot, slots.Of(keys.History(id)), slots.Of(keys.Outbox(id)))
		}
	}
}

func TestEverythingOfATeamIsInOneSlot(t *testing.T) {
	t.Parallel()
	order, sizes := keys.AlertShares(7)
	names := []string{keys.Team(7), keys.Alerts(7), keys.AlertOrder(7), order, sizes, keys.Repeats(7), keys.RepeatOrder(7)}
	for _, s := range []keys.StreamKeys{keys.Messages(7), keys.Audit(7), keys.SignIns(7)} {
		names = append(names, s.Names()...)
	}
	for _, name := range names {
		if slots.Of(name) != slots.Of(keys.Team(7)) {
			t.Errorf("%s is not in the slot of the team", name)
		}
	}
	for other, name := range map[string]string{"product": keys.Product(7), "user": keys.User(7), "device": keys.Device("7/7")} {
		if slots.Of(name) == slots.Of(keys.Team(7)) {
			t.Errorf("the %s with the number of the team is in its slot", other)
		}
	}
}

func TestTheTimelineOfAProductIsInItsSlot(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Concat(keys.TimelineOf(7, 0).Names(), keys.TimelineOf(7, 3).Names(), []string{keys.Curve(7, 1), keys.TimelineGroups(7)}) {
		if slots.Of(name) != slots.Of(keys.Product(7)) {
			t.Errorf("%s is not in the slot of the product", name)
		}
	}
}

func TestTheKeyOfADeviceNamesIt(t *testing.T) {
	t.Parallel()
	for _, id := range []fleet.DeviceID{"1/a", "7/7", "4294967295/nrf:352656100000001", "1/a:b", "1/:"} {
		if got := keys.DeviceOf(keys.Device(id)); got != id {
			t.Errorf("the key of %s is that of %s", id, got)
		}
	}
}

// TestNoTwoThingsHaveOneKey calls every function of the package that could collide.
func TestNoTwoThingsHaveOneKey(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	note := func(what string, names ...string) {
		for _, name := range names {
			if seen[name] != "" {
				t.Errorf("%s is a key of %s and of %s", name, seen[name], what)
			}
			seen[name] = what
		}
	}
	note("store", keys.Store, keys.Lease, keys.Nodes, keys.Leases, keys.Wants, keys.Inbox("n"), keys.Journal, keys.Teams)
	note("marks", keys.Marks[:]...)
	for _, kind := range []string{"team", "user", "product", "group"} {
		note("counter", keys.Counter(kind))
	}
	for n := range 30 {
		id := strconv.Itoa(n)
		order, sizes := keys.AlertShares(fleet.TeamID(n))
		note("team "+id, append(append(keys.Messages(fleet.TeamID(n)).Names(), keys.Audit(fleet.TeamID(n)).Names()...), keys.SignIns(fleet.TeamID(n)).Names()...)...)
		note("team "+id, keys.Team(fleet.TeamID(n)), keys.Alerts(fleet.TeamID(n)), keys.AlertOrder(fleet.TeamID(n)), order, sizes,
			keys.Repeats(fleet.TeamID(n)), keys.RepeatOrder(fleet.TeamID(n)))
		note("product "+id, append(slices.Concat(keys.TimelineOf(fleet.ProductID(n), 0).Names(), keys.TimelineOf(fleet.ProductID(n), 1).Names()), keys.TimelineGroups(fleet.ProductID(n)), keys.Product(fleet.ProductID(n)), keys.Slug(fleet.TeamID(n), "s"), keys.Slug(1, fmt.Sprint("s", n)), keys.Curve(fleet.ProductID(n), 1))...)
		note("user "+id, keys.User(fleet.UserID(n)), keys.Email(id), keys.Token(id))
		for _, device := range []fleet.DeviceID{fleet.DeviceID(id), fleet.DeviceID("t" + id), fleet.DeviceID(":" + id)} {
			note("id "+id, keys.Holders(device))
			for _, device := range []fleet.DeviceID{device.In(1), device.In(2)} {
				note("device "+device.WithTeam(), keys.Device(device), keys.History(device), keys.Outbox(device))
			}
		}
	}
}

// TestMarksAreWhereStoresHaveThem pins what ADR 0029 has put into Clusters: the smallest decimal in
// each 64th of the slots.
func TestMarksAreWhereStoresHaveThem(t *testing.T) {
	t.Parallel()
	var want [64]string
	for n, found := 0, 0; found < len(want); n++ {
		key := "id:{" + strconv.Itoa(n) + "}"
		if part := slots.Of(key) / 256; want[part] == "" {
			want[part] = key
			found++
		}
	}
	if !reflect.DeepEqual(keys.Marks, want) {
		t.Errorf("got %v, want %v", keys.Marks, want)
	}
}

func TestADeviceWithoutItsTeamHasNoDevicesKey(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]func(fleet.DeviceID) string{"record": keys.Device, "history": keys.History, "outbox": keys.Outbox} {
		for _, id := range []fleet.DeviceID{"", "a", "7", "0/a", "x/a", "/a", "4294967296/a"} {
			if of := key(id); !strings.Contains(of, "}:/") {
				t.Errorf("the %s of %q has the key %s, want one that no device has", name, string(id), of)
			}
		}
	}
}

func TestTheBucketOfADeviceIsThatOfItsIDInEveryTeam(t *testing.T) {
	t.Parallel()
	for _, id := range inBucket() {
		before, after := keys.Around(id)
		for _, team := range []fleet.TeamID{1, 2, 4294967295} {
			if keys.Bucket(id.In(team)) != keys.Bucket(id) || keys.Holders(id.In(team)) != keys.Holders(id) {
				t.Fatalf("%s of team %s is not in the bucket of the id", id, team)
			}
			if got := before + team.String() + after; got != keys.Device(id.In(team)) {
				t.Errorf("the record of %s in team %s has the key %s, but %s is read", id, team, keys.Device(id.In(team)), got)
			}
		}
	}
}
