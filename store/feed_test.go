package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/store/feed"
	"github.com/muster-iot/muster/store/keys"
)

// openJoined opens one more store on a Redis. kept is how many entries of each feed there are.
func openJoined(t testing.TB, url string, kept int) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url, Joined: true, Log: quiet(), kept: kept})
	return opened(t, s, err)
}

// joinTwo opens two stores on a redis-server, which is returned as a client.
func joinTwo(t testing.TB, kept int) (a, b *Store, c *redis.Client) {
	t.Helper()
	socket, c := ownRedis(t)
	return openJoined(t, "unix://"+socket, kept), openJoined(t, "unix://"+socket, kept), c
}

// scanned is what an index has that reads all records now.
func scanned(s *Store) map[fleet.TeamID]map[fleet.DeviceID]fleet.IndexEntry {
	x := index.New()
	feed.New(feed.Config{Redis: s.core.Pipeline, Index: x, Log: s.core.log}).Read(s.core.base)
	return entries(x)
}

// becomesEqual waits until the index of each store has what a full scan has.
func becomesEqual(t testing.TB, stores ...*Store) {
	t.Helper()
	want := scanned(stores[0])
	for i, s := range stores {
		diff := "?"
		for began := time.Now(); diff != "" && time.Since(began) < 3*time.Minute; {
			diff = cmp.Diff(want, entries(s.Index), sameVersion, cmpopts.EquateEmpty())
			if diff != "" {
				<-time.After(20 * time.Millisecond)
			}
		}
		if diff != "" {
			t.Fatalf("store %d: scanned (-), followed (+), %+v:\n%s", i, s.FeedStats(), diff)
		}
	}
}

// operate does random operations on some devices of a store: creations, edits, deletions, commands.
func operate(s *Store, seed uint64, count int, ids []fleet.DeviceID) error {
	r := rand.New(rand.NewPCG(seed, 1))
	ctx := context.Background()
	for i := range count {
		id := ids[r.IntN(len(ids))]
		change := func(d *fleet.Device) error {
			d.Name, d.Notes = fmt.Sprint("device ", r.IntN(50)), strings.Repeat("n", r.IntN(3))
			d.Groups = []fleet.GroupID{fleet.GroupID(r.IntN(3) + 1)}
			d.Running, d.Disabled = version(fmt.Sprint("1.", r.IntN(9), ".0")), r.IntN(2) == 0
			d.Update.State, d.Update.To = fleet.UpdateState(r.IntN(4)), version("2.0.0")
			d.LastHandshake, d.Hardware = at(i), fmt.Sprint("rev", r.IntN(3))
			return nil
		}
		var err error
		switch r.IntN(8) {
		case 0:
			d := newDevice(id)
			_ = change(d)
			err = s.Devices.Create(ctx, d)
		case 1:
			err = s.Devices.Delete(ctx, id)
		case 2:
			_, err = s.Messages.Queue(ctx, fleet.Command{Device: id})
		default:
			_, err = s.Devices.Edit(ctx, id, change)
		}
		if err != nil && !errors.Is(err, fleet.NotFound) && !errors.Is(err, fleet.Conflict) && !errors.Is(err, fleet.Busy) && !errors.Is(err, fleet.Unavailable) {
			return err
		}
	}
	return nil
}

// sameBucket returns ids of one bucket, so that its feed is long.
func sameBucket(count int) (ids []fleet.DeviceID) {
	for n := 0; len(ids) < count; n++ {
		if id := fleet.DeviceID(fmt.Sprint("d", n)).In(1); keys.Bucket(id) == 7 {
			ids = append(ids, id)
		}
	}
	return ids
}

func manyBuckets(count int) (ids []fleet.DeviceID) {
	for n := range count {
		ids = append(ids, fleet.DeviceID(fmt.Sprint("m", n)).In(1))
	}
	return ids
}

// operateOnAll operates on the same devices through each store at the same time.
func operateOnAll(t testing.TB, seed uint64, count int, ids []fleet.DeviceID, stores ...*Store) {
	t.Helper()
	failed := make(chan error, 2*len(stores))
	for i, s := range stores {
		for worker := range 2 {
			go func() { failed <- operate(s, seed+uint64(10*i+worker), count, ids) }()
		}
	}
	for range 2 * len(stores) {
		must(t, <-failed)
	}
}

// After quiet, every index equals the records, whoever wrote them (invariant 5 of joined stores).
func TestTheIndexOfEachJoinedStoreEqualsTheRecords(t *testing.T) {
	t.Parallel()
	a, b, _ := joinTwo(t, 0)
	for seed := range uint64(12) {
		operateOnAll(t, 100*seed, 60, append(sameBucket(4), manyBuckets(20)...), a, b)
		becomesEqual(t, a, b)
	}
	if s := a.FeedStats(); s.Applied == 0 || s.Rescans > 0 {
		t.Errorf("got %+v, want that rows were applied, and no part read again", s)
	}
	late := openJoined(t, "unix://"+a.core.Masters()[0].Addr, 0)
	becomesEqual(t, late)
}

func TestAFeedThatWasTrimmedIsReadAgain(t *testing.T) {
	t.Parallel()
	a, b, _ := joinTwo(t, 1)
	rescans := uint64(0)
	for seed := range uint64(3) {
		operateOnAll(t, 100*seed, 150, sameBucket(5), a, b)
		becomesEqual(t, a, b)
		rescans = a.FeedStats().Rescans + b.FeedStats().Rescans
	}
	if rescans == 0 {
		t.Error("no part was read again: the feeds were never trimmed")
	}
	ids := sameBucket(2)
	for i := range 3 { // what is written once is not written over by what has trimmed it
		for _, id := range ids {
			if err := a.Devices.Delete(t.Context(), id); err != nil && !errors.Is(err, fleet.NotFound) {
				t.Fatal(err)
			}
			must(t, a.Devices.Create(t.Context(), newDevice(id)))
		}
		becomesEqual(t, a, b)
		got[fleet.Device](t)(a.Devices.Edit(t.Context(), ids[0], func(d *fleet.Device) error { d.Name = fmt.Sprint("once ", i); return nil }))
		for range 60 {
			got[fleet.Device](t)(a.Devices.Edit(t.Context(), ids[1], func(*fleet.Device) error { return nil }))
		}
		becomesEqual(t, a, b)
	}
}

// afterReading calls once after the records were read.
type afterReading struct{ once func() }

func (h *afterReading) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *afterReading) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (h *afterReading) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		if commands[0].Name() == "hgetall" && h.once != nil {
			h.once()
			h.once = nil
		}
		return err
	}
}

func TestAnIndexIsReadyWhenItHasWhatWasWrittenWhileTheRecordsWereRead(t *testing.T) {
	t.Parallel()
	for name, writes := range map[string]int{"the feed has it": 1, "the feed was trimmed": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, _ := joinTwo(t, 1)
			ids := sameBucket(3)
			for _, id := range ids[:2] {
				must(t, b.Devices.Create(t.Context(), newDevice(id)))
			}
			hook(a, &afterReading{once: func() {
				must(t, b.Devices.Delete(t.Context(), ids[0]))
				must(t, b.Devices.Create(t.Context(), newDevice(ids[2])))
				for range writes {
					got[fleet.Device](t)(b.Devices.Edit(t.Context(), ids[1], func(d *fleet.Device) error { d.Name = "late"; return nil }))
				}
			}})
			x := index.New()
			f := feed.New(feed.Config{Redis: a.core.Pipeline, Index: x, Log: quiet(), Joined: true, Kept: 1})
			must(t, f.Note(t.Context()))
			f.Read(t.Context())
			if diff := cmp.Diff(scanned(b), entries(x), sameVersion, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("scanned (-), read (+):\n%s", diff)
			}
		})
	}
}

func TestAStoreThatIsOpenedDuringWritesMissesNone(t *testing.T) {
	t.Parallel()
	a, _, c := joinTwo(t, 5)
	var writing sync.WaitGroup
	writing.Go(func() { _ = operate(a, 1, 1500, sameBucket(9)) })
	late := openJoined(t, "unix://"+c.Options().Addr, 5)
	writing.Wait()
	becomesEqual(t, a, late)
}

// A fail-over can lose the end of a feed with the records, and other writes come in its place.
func TestAFeedWhoseEndWasReplacedIsReadAgain(t *testing.T) {
	t.Parallel()
	a, b, c := joinTwo(t, 0)
	ids := sameBucket(3)
	for _, id := range ids[:2] {
		must(t, a.Devices.Create(t.Context(), newDevice(id)))
	}
	names := []string{keys.Device(ids[0]), keys.Device(ids[1]), keys.Device(ids[2]), keys.Feed(7), keys.Tags(7)}
	before := make([]string, len(names))
	for i, name := range names {
		before[i], _ = c.Dump(t.Context(), name).Result() // one does not exist
	}
	restore := func() {
		for i, name := range names {
			must(t, c.Del(t.Context(), name).Err())
			if before[i] != "" {
				must(t, c.Restore(t.Context(), name, 0, before[i]).Err())
			}
		}
	}
	rename := func(s *Store, id fleet.DeviceID, name string) {
		got[fleet.Device](t)(s.Devices.Edit(t.Context(), id, func(d *fleet.Device) error { d.Name = name; return nil }))
	}
	lose := func() {
		rename(a, ids[0], "lost")
		must(t, a.Devices.Delete(t.Context(), ids[1]))
		must(t, b.Devices.Create(t.Context(), newDevice(ids[2])))
		becomesEqual(t, a, b)
		restore()
	}
	lose()
	becomesEqual(t, a, b) // nothing comes in its place
	lose()
	rename(b, ids[0], "in its place") // at the same revision, at the same place of the feed
	rename(b, ids[1], "in its place")
	rename(b, ids[0], "in its place, too")
	becomesEqual(t, a, b)
	if s := a.FeedStats(); s.Rescans == 0 {
		t.Errorf("got %+v, want that the part was read again", s)
	}
}

func TestAStoreThatIsNotJoinedWritesNoFeed(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		_, _, product := newTeam(t, s)
		must(t, operate(s, 1, 100, manyBuckets(5)))
		got[*fleet.Catalog](t)(s.Catalogs.EditCatalog(t.Context(), product.ID, func(c *fleet.Catalog) error { c.Default = version("7"); return nil }))
		kinds := map[string]int{}
		for _, m := range s.core.Masters() {
			for _, name := range got[[]string](t)(m.Keys(t.Context(), "*").Result()) {
				kinds[keys.Kind(name)]++
			}
		}
		if kinds["d"] == 0 || kinds["f"]+kinds["c"]+kinds["g"] > 0 {
			t.Errorf("got %v, want records and neither feeds nor tags", kinds)
		}
	})
}

func TestWritesOfThisProcessAreInItsListsAtOnce(t *testing.T) {
	t.Parallel()
	a, b, _ := joinTwo(t, 0)
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for seed := uint64(0); ; seed++ {
			select {
			case <-stop:
				return
			default:
				_ = operate(b, seed, 10, sameBucket(5))
			}
		}
	})
	own := sameBucket(6)[5]
	for i := range 150 {
		must(t, a.Devices.Create(t.Context(), newDevice(own)))
		name := fmt.Sprint("n", i)
		got[fleet.Device](t)(a.Devices.Edit(t.Context(), own, func(d *fleet.Device) error { d.Name = name; return nil }))
		if e := got[fleet.IndexEntry](t)(a.Index.Entry(own)); e.Name != name {
			t.Fatalf("the list has %q after %q was written", e.Name, name)
		}
		must(t, a.Devices.Delete(t.Context(), own))
		if e, err := a.Index.Entry(own); err == nil {
			t.Fatalf("the list has %+v after it was deleted", e)
		}
	}
	close(stop)
	others.Wait()
	becomesEqual(t, a, b)
}

// TestEachIndexEqualsTheRecordsThroughAFailOver kills a master while two stores write, with and without
// what it had not copied yet.
func TestEachIndexEqualsTheRecordsThroughAFailOver(t *testing.T) {
	t.Parallel()
	c := ownCluster(t, true)
	a := openJoined(t, c.URL(), 0)
	b := openJoined(t, c.URL(), 0)
	ids := manyBuckets(60)
	operateOnAll(t, 1, 60, ids, a, b)
	becomesEqual(t, a, b)
	dead := c.Master(keys.Feed(keys.Bucket(ids[0])))
	must(t, c.AwaitReplicated(dead)) // else the replica has no copy of what the store is known by, and is refused
	var writing sync.WaitGroup
	writing.Go(func() { operateOnAll(t, 2, 300, ids, a, b) })
	dead.Kill()
	must(t, c.AwaitWhole())
	writing.Wait()
	operateOnAll(t, 3, 60, ids, a, b)
	until(t, "both are ready", func() bool { return a.Ready() == nil && b.Ready() == nil })
	becomesEqual(t, a, b)
	_, _, product := newTeam(t, a)
	editsAreSeen(t, product.ID, a, b)
}

// editsAreSeen edits a catalog through one store and saves a device through the other: a save that is
// sent after the answer sees the edit.
func editsAreSeen(t testing.TB, product fleet.ProductID, a, b *Store) {
	t.Helper()
	ctx := t.Context()
	for i, id := range manyBuckets(8) {
		d := newDevice("s" + fleet.DeviceID(id.String()))
		d.Product = product
		must(t, b.Devices.Create(ctx, d))
		edited := got[*fleet.Catalog](t)(a.Catalogs.EditCatalog(ctx, product, func(c *fleet.Catalog) error { c.Default = version(fmt.Sprint(i)); return nil }))
		newest := got[uint64](t)(b.Devices.Save(ctx, d))
		if newest != edited.Revision {
			t.Fatalf("a save after the edit to revision %d saw %d", edited.Revision, newest)
		}
		if c := got[*fleet.Catalog](t)(b.Catalogs.CatalogAt(ctx, product, newest)); !c.Default.Equal(version(fmt.Sprint(i))) {
			t.Fatalf("decided by %s, want %d", c.Default, i)
		}
		a, b = b, a
	}
}

func TestASaveThatIsSentAfterAnEditWasAnsweredSeesIt(t *testing.T) {
	t.Parallel()
	a, b, c := joinTwo(t, 0)
	_, _, product := newTeam(t, a)
	editsAreSeen(t, product.ID, a, b)
	// Concurrent edits through both stores: in the end every bucket has the tag of the last one.
	var all sync.WaitGroup
	for i, s := range []*Store{a, b, a, b} {
		all.Go(func() {
			for n := range 10 {
				_, err := s.Catalogs.EditCatalog(t.Context(), product.ID, func(c *fleet.Catalog) error { c.Default = version(fmt.Sprint(i, ".", n)); return nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	tagsAre(t, c, a, product.ID)
	if n := got[int64](t)(c.HLen(t.Context(), keys.Edits).Result()); n != 0 {
		t.Errorf("%d edits are left open", n)
	}
	until(t, "both have the newest catalog", func() bool {
		want := got[*fleet.Catalog](t)(a.Catalogs.docs.Load(t.Context(), product.ID))
		one, other := got[*fleet.Catalog](t)(a.Catalogs.Catalog(t.Context(), product.ID)), got[*fleet.Catalog](t)(b.Catalogs.Catalog(t.Context(), product.ID))
		return one.Revision == want.Revision && other.Revision == want.Revision
	})
}

// tagsAre compares the tags of all buckets with the catalog.
func tagsAre(t testing.TB, c redis.Cmdable, s *Store, product fleet.ProductID) {
	t.Helper()
	want := got[string](t)(s.Catalogs.docs.Tag(t.Context(), product))
	for bucket := range keys.Buckets {
		if is, _ := c.HGet(t.Context(), keys.Tags(bucket), "p"+product.String()).Result(); is != want {
			t.Fatalf("bucket %d has the tag %q, the catalog %q", bucket, is, want)
		}
	}
}

func hasTags(c redis.Cmdable, s *Store, product fleet.ProductID) bool {
	want, err := s.Catalogs.docs.Tag(context.Background(), product)
	for bucket := range keys.Buckets {
		if is, _ := c.HGet(context.Background(), keys.Tags(bucket), "p"+product.String()).Result(); is != want || err != nil {
			return false
		}
	}
	return true
}

func TestABucketThatLagsBehindACatalogIsRepairedFromIt(t *testing.T) {
	t.Parallel()
	a, b, c := joinTwo(t, 0)
	_, _, product := newTeam(t, a)
	d := newDevice("a")
	d.Product = product.ID
	must(t, b.Devices.Create(t.Context(), d))
	tags, field := keys.Tags(keys.Bucket("a")), "p"+product.ID.String()
	old := got[string](t)(c.HGet(t.Context(), tags, field).Result())
	edited := got[*fleet.Catalog](t)(a.Catalogs.EditCatalog(t.Context(), product.ID, func(c *fleet.Catalog) error { c.Default = version("7"); return nil }))
	for name, lost := range map[string]func() error{
		"rolled back": func() error { return c.HSet(t.Context(), tags, field, old).Err() },
		"missing":     func() error { return c.HDel(t.Context(), tags, field).Err() },
	} {
		must(t, lost())
		if newest := got[uint64](t)(b.Devices.Save(t.Context(), d)); newest != edited.Revision {
			t.Errorf("%s: a save saw revision %d, want %d", name, newest, edited.Revision)
		}
		until(t, "it is repaired", func() bool { return hasTags(c, a, product.ID) })
	}
}

// A fail-over of the catalog's master can lose an edit that the buckets know.
func TestAnEditAfterALostOneIsSeen(t *testing.T) {
	t.Parallel()
	a, b, c := joinTwo(t, 0)
	_, _, product := newTeam(t, a)
	d := newDevice("a")
	d.Product = product.ID
	must(t, b.Devices.Create(t.Context(), d))
	setDefault := func(s *Store, v string) *fleet.Catalog {
		return got[*fleet.Catalog](t)(s.Catalogs.EditCatalog(t.Context(), product.ID, func(c *fleet.Catalog) error { c.Default = version(v); return nil }))
	}
	kept := got[string](t)(c.Dump(t.Context(), keys.Product(product.ID)).Result())
	setDefault(a, "7.0.0") // is lost
	newest := got[uint64](t)(b.Devices.Save(t.Context(), d))
	got[*fleet.Catalog](t)(b.Catalogs.CatalogAt(t.Context(), product.ID, newest)) // in the memory of b
	must(t, c.RestoreReplace(t.Context(), keys.Product(product.ID), 0, kept).Err())
	a.forget() // as when its connections are made again
	setDefault(a, "8.0.0")
	newest = got[uint64](t)(b.Devices.Save(t.Context(), d))
	if c := got[*fleet.Catalog](t)(b.Catalogs.CatalogAt(t.Context(), product.ID, newest)); !c.Default.Equal(version("8.0.0")) {
		t.Errorf("decided by %s", c.Default)
	}
	tagsAre(t, c, a, product.ID)
}

// TestAnEditThatACrashInterruptsIsFinished leaves an edit after each of its steps.
func TestAnEditThatACrashInterruptsIsFinished(t *testing.T) {
	t.Parallel()
	a, b, c := joinTwo(t, 0)
	_, _, product := newTeam(t, a)
	ctx := t.Context()
	begin := func(id string) { must(t, c.HSet(ctx, keys.Edits, id, product.ID.String()).Err()) }
	write := func(v string) {
		got[*fleet.Catalog](t)(a.Catalogs.docs.Edit(ctx, product.ID, func(c *fleet.Catalog) error { c.Default = version(v); return nil }))
	}
	begin("begun")
	begin("written")
	write("1")
	begin("some buckets have it")
	write("2")
	tag := got[string](t)(a.Catalogs.docs.Tag(ctx, product.ID))
	for bucket := range 100 {
		must(t, c.HSet(ctx, keys.Tags(bucket), "p"+product.ID.String(), tag).Err())
	}
	a.Close() // as if it had been killed
	until(t, "another store finishes it", func() bool { return c.HLen(ctx, keys.Edits).Val() == 0 })
	tagsAre(t, c, b, product.ID)
	until(t, "it has the newest catalog", func() bool {
		return got[*fleet.Catalog](t)(b.Catalogs.Catalog(ctx, product.ID)).Default.Equal(version("2"))
	})
}

func TestAJoinedAdmissionIsOneTripAndAWriteBackIsOne(t *testing.T) {
	t.Parallel()
	a, _, _ := joinTwo(t, 0)
	_, _, product := newTeam(t, a)
	d := newDevice("a")
	d.Product = product.ID
	must(t, a.Devices.Create(t.Context(), d))
	got[*fleet.Catalog](t)(a.Catalogs.Catalog(t.Context(), product.ID))
	var r, w uint64
	defer func() {
		if t.Failed() {
			t.Logf("%d reads and %d writes at last", r, w)
		}
	}()
	until(t, "they are one read and one write", func() bool { // what the store does besides may fall into the same moment
		before := a.Stats()
		loaded := got[fleet.Device](t)(a.Devices.Device(t.Context(), "1/a"))
		loaded.Node = a.nodes.ID() // as after a handshake: otherwise the save tells the other nodes, once they are known
		got[uint64](t)(a.Devices.Save(t.Context(), &loaded))
		after := a.Stats()
		r, w = after.ReadCommands-before.ReadCommands, after.WriteCommands-before.WriteCommands
		return r == 1 && w == 1
	})
}

func TestADeletedProductHasNoTag(t *testing.T) {
	t.Parallel()
	a, b, c := joinTwo(t, 0)
	_, _, product := newTeam(t, a)
	d := newDevice("a")
	d.Product = product.ID
	must(t, b.Devices.Create(t.Context(), d))
	got[uint64](t)(b.Devices.Save(t.Context(), d))
	must(t, a.Catalogs.DeleteProduct(t.Context(), product.ID))
	if newest := got[uint64](t)(b.Devices.Save(t.Context(), d)); newest != 0 {
		t.Errorf("a save saw revision %d", newest)
	}
	tagsAre(t, c, a, product.ID)
}
