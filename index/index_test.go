package index

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

func newReady() *Index {
	x := New()
	x.Finish()
	return x
}

func newDevice(id fleet.DeviceID) *fleet.Device {
	return &fleet.Device{ID: id.In(1), Team: 1, Product: 1, Name: "device " + id.String(), UpdatesOn: true}
}

func version(s string) fleet.Version { return fleet.ReportedVersion(s) }

// at is a moment some seconds after a fixed one.
func at(seconds int) time.Time { return time.Unix(1_700_000_000+int64(seconds), 0).UTC() }

// TestVersionsNoDeviceHasAreForgotten edits a fleet at random and compares the versions that
// are kept with those an index of the devices that are left keeps.
func TestVersionsNoDeviceHasAreForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, left := New(), map[fleet.DeviceID]*fleet.Device{}
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			d := drawSmall(t)
			d.Team = fleet.TeamID(rapid.IntRange(1, 2).Draw(t, "team of two"))
			d.Hardware = rapid.SampledFrom([]string{"", "rev-a", "rev-b"}).Draw(t, "hardware")
			d.Attempts.Target = version(rapid.SampledFrom([]string{"", "11", "12"}).Draw(t, "target"))
			if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
				x.Remove(d.ID)
				delete(left, d.ID)
				continue
			}
			x.Put(&d)
			left[d.ID] = &d
		}
		rebuilt := New()
		for _, d := range left {
			rebuilt.Put(d)
		}
		if used, want := len(x.versions.numbers), len(rebuilt.versions.numbers); used != want {
			t.Fatalf("%d versions are kept, %d are in use", used, want)
		}
		if used, want := len(x.hardware.numbers), len(rebuilt.hardware.numbers); used != want {
			t.Fatalf("%d revisions are kept, %d are in use", used, want)
		}
	})
}

// TestFindSelectsWhatFleetSeesAndTheQueryNames edits a fleet at random and compares Find,
// page by page, with a plain filter and sort of the same devices.
func TestFindSelectsWhatFleetSeesAndTheQueryNames(t *testing.T) {
	x := newReady()
	devices, online := map[fleet.DeviceID]*fleet.Device{}, map[fleet.DeviceID]bool{}
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(0, 20).Draw(t, "devices") {
			d := drawSmall(t)
			devices[d.ID] = &d
			x.Put(&d)
			twin := d // what another team has with the same ids is in none of the answers
			twin.ID, twin.Team, twin.Gateway = d.ID.In(2), 2, d.Gateway.In(2)
			x.Put(&twin)
		}
		for range rapid.IntRange(0, 3).Draw(t, "gone") {
			id := numbered(rapid.IntRange(0, 25).Draw(t, "goes"))
			if devices[id] != nil { // the presence of one not read yet is kept
				delete(online, id)
			}
			delete(devices, id)
			x.Remove(id)
		}
		for range rapid.IntRange(0, 5).Draw(t, "presences") {
			id := numbered(rapid.IntRange(0, 25).Draw(t, "present"))
			online[id] = rapid.Bool().Draw(t, "is online")
			x.SetOnline(id, online[id])
			x.SetOnline(id.In(2), !online[id])
		}
		q := drawQuery(t)
		x.sortLimit, x.sortShare = rapid.IntRange(0, 10).Draw(t, "few"), rapid.IntRange(0, 2).Draw(t, "share")
		want := naive(&q, devices, online)
		slices.SortFunc(want, func(a, b fleet.DeviceID) int { return naiveCompare(&q, devices[a], devices[b]) })
		skip := min(q.Skip, len(want))
		total, found := len(want), []fleet.DeviceID(nil)
		want = want[skip:]
		for range 200 {
			page, err := x.Find(q)
			if err != nil {
				t.Fatal(err)
			}
			if page.Total != total {
				t.Fatalf("total %d, want %d", page.Total, total)
			}
			found = append(found, page.IDs...)
			q.After, q.Skip = page.Next, 0
			if page.Next == "" {
				break
			}
		}
		if diff := cmp.Diff(found, want, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("found (-), want (+):\n%s", diff)
		}
		after := ""
		if rapid.Bool().Draw(t, "from the middle") {
			after = "D13"
		}
		q.After, q.Limit = after, rapid.IntRange(0, 12).Draw(t, "ids at most")
		ids, err := x.IDs(q)
		want = slices.DeleteFunc(naive(&q, devices, online), func(id fleet.DeviceID) bool { return id.String() <= after })
		slices.Sort(want)
		if q.Limit > 0 {
			want = want[:min(len(want), q.Limit)]
		}
		if diff := cmp.Diff(ids, want, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%v: ids (-), want (+):\n%s", err, diff)
		}
	})
}

// naive are the devices q selects, in no order.
func naive(q *fleet.DeviceQuery, devices map[fleet.DeviceID]*fleet.Device, online map[fleet.DeviceID]bool) (ids []fleet.DeviceID) {
	for id, d := range devices {
		if naiveSelects(q, d, devices) && (q.Online == nil || *q.Online == online[id]) &&
			(q.Silent.IsZero() || !online[id] && !d.LastHandshake.IsZero() && d.LastHandshake.Before(q.Silent)) {
			ids = append(ids, id)
		}
	}
	return ids
}

var smallRevision uint64

func drawSmall(t *rapid.T) fleet.Device {
	smallRevision++
	kind := fleet.DeviceKind(rapid.IntRange(0, 2).Draw(t, "kind"))
	d := fleet.Device{
		ID: numbered(rapid.IntRange(0, 25).Draw(t, "id")), Team: 1, Kind: kind, Revision: smallRevision,
		Product: fleet.ProductID(rapid.IntRange(1, 2).Draw(t, "product")),
		Name:    rapid.SampledFrom([]string{"", "alpha", "Alpha", "beta", "BETA 2", "ä", "Äta", "a\xff"}).Draw(t, "name"),
		Running: version(rapid.SampledFrom([]string{"", "7", "7.0.0", "10", "9.1.0-rc.1", "9.1.0", "junk"}).Draw(t, "version")),
		Groups:  drawFew(t), Development: rapid.Bool().Draw(t, "development"),
		Update: fleet.Update{State: fleet.UpdateState(rapid.IntRange(0, 3).Draw(t, "state")), To: version(rapid.SampledFrom([]string{"", "7"}).Draw(t, "to"))},
	}
	d.Notes = rapid.SampledFrom([]string{"", "Room 12", "bedroom ä", strings.Repeat("x", fleet.MaxSearchedNotes) + "rest"}).Draw(t, "notes")
	if rapid.Bool().Draw(t, "locked") {
		d.Lock = version("7")
	}
	if modem := rapid.SampledFrom(modems).Draw(t, "modem"); modem != "" {
		d.Facts = modemFact(modem)
	}
	if kind == fleet.BLE {
		d.Gateway = numbered(rapid.IntRange(0, 25).Draw(t, "gateway"))
	}
	if rapid.Bool().Draw(t, "met") {
		d.LastHandshake = at(rapid.IntRange(0, 5).Draw(t, "second"))
	}
	return d
}

// numbered is a device of team 1.
func numbered(n int) fleet.DeviceID { return fleet.DeviceID(fmt.Sprint("D", n)).In(1) }

func drawFew(t *rapid.T) (groups []fleet.GroupID) {
	for g := range fleet.GroupID(3) {
		if rapid.Bool().Draw(t, "in group") {
			groups = append(groups, g+1)
		}
	}
	return groups
}

func drawQuery(t *rapid.T) fleet.DeviceQuery {
	q := fleet.DeviceQuery{
		Actor:   fleet.Actor{Team: 1, Role: fleet.Role(rapid.IntRange(1, 4).Draw(t, "role")), Groups: drawFew(t)},
		Product: fleet.ProductID(rapid.IntRange(0, 2).Draw(t, "of product")), Sort: fleet.DeviceSort(rapid.IntRange(0, 3).Draw(t, "sort")),
		Descending: rapid.Bool().Draw(t, "descending"), Limit: rapid.IntRange(1, 6).Draw(t, "limit"), Skip: rapid.IntRange(0, 8).Draw(t, "skip"),
	}
	choice := func(name string) *bool { return rapid.SampledFrom([]*bool{nil, new(bool), &yea}).Draw(t, name) }
	for range rapid.IntRange(0, 2).Draw(t, "filters") {
		switch rapid.IntRange(0, 17).Draw(t, "filter") {
		case 0:
			q.Groups = []fleet.GroupID{fleet.GroupID(rapid.IntRange(1, 3).Draw(t, "group"))}
		case 1:
			q.NamePart = rapid.SampledFrom([]string{"ETA", "a", "ä"}).Draw(t, "name part")
		case 2:
			q.NamePrefix = rapid.SampledFrom([]string{"al", "b", "Ä", "zz"}).Draw(t, "prefix")
		case 3:
			q.IDPart = rapid.SampledFrom([]string{"d1", "D"}).Draw(t, "id part")
		case 4:
			q.Version = version("7")
		case 5:
			q.Development = choice("developing")
		case 6:
			q.Locked = choice("being locked")
		case 7:
			q.Online = choice("online")
		case 8:
			q.Gateway = "D3"
		case 9:
			q.NoGroup = true
		case 10:
			q.NoVersion = true
		case 11:
			q.Kinds = []fleet.DeviceKind{fleet.BLE}
		case 12:
			q.Updates, q.UpdateTo = []fleet.UpdateState{1, 2}, version("7.0.0")
		case 13:
			q.IDs = []fleet.DeviceID{"D1", "D2", "D3", "D4", "D2", "nobody"}
		case 14:
			q.Facts = append(q.Facts, fleet.Fact{Path: "modem", Value: rapid.SampledFrom([]string{"a", "B", "none"}).Draw(t, "modem is")})
		case 15:
			q.Text = rapid.SampledFrom([]string{"d1", "ETA", "ä", "ROOM", "rest"}).Draw(t, "text")
		case 17:
			q.Silent = at(rapid.IntRange(1, 6).Draw(t, "silent since"))
		case 16:
			q.Where.Holds = func(e *fleet.IndexEntry) bool { return e.Update == fleet.Offered && e.Running.IsZero() }
		}
	}
	return q
}

var yea = true

func naiveSelects(q *fleet.DeviceQuery, d *fleet.Device, all map[fleet.DeviceID]*fleet.Device) bool {
	held := len(q.Groups) == 0
	for _, g := range q.Groups {
		held = held || slices.Contains(d.Groups, g) && (!q.Actor.Role.Restricted() || slices.Contains(q.Actor.Groups, g))
	}
	seen := slices.ContainsFunc(d.Groups, func(g fleet.GroupID) bool {
		return !q.Actor.Role.Restricted() || slices.Contains(q.Actor.Groups, g)
	})
	return held && fleet.Sees(q.Actor, d, all[d.Gateway]) &&
		(q.Where.Holds == nil || d.Update.State == fleet.Offered && d.Running.IsZero()) &&
		slices.ContainsFunc([]string{d.ID.String(), d.Name, d.Notes[:min(len(d.Notes), fleet.MaxSearchedNotes)]}, func(text string) bool {
			return strings.Contains(strings.ToLower(text), strings.ToLower(q.Text))
		}) &&
		!(q.NoGroup && seen) && !(q.NoVersion && !d.Running.IsZero()) &&
		(q.Product == 0 || q.Product == d.Product) &&
		strings.Contains(strings.ToLower(d.Name), strings.ToLower(q.NamePart)) &&
		strings.HasPrefix(strings.ToLower(d.Name), strings.ToLower(q.NamePrefix)) &&
		strings.Contains(strings.ToLower(d.ID.String()), strings.ToLower(q.IDPart)) &&
		(q.IDs == nil || slices.Contains(fleet.DevicesIn(1, q.IDs), d.ID)) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, d.Kind)) &&
		(len(q.Updates) == 0 || slices.Contains(q.Updates, d.Update.State)) &&
		(q.UpdateTo.IsZero() || d.Update.To.Equal(q.UpdateTo)) &&
		(q.Locked == nil || *q.Locked == !d.Lock.IsZero()) &&
		(q.Version.IsZero() || d.Running.Equal(q.Version)) &&
		(q.Development == nil || *q.Development == d.Development) &&
		(q.Gateway == "" || d.Gateway == q.Gateway.In(1)) &&
		!slices.ContainsFunc(q.Facts, func(f fleet.Fact) bool {
			return !strings.Contains(string(d.Facts), strings.ToLower("\x65modem\x61"+f.Value))
		})
}

var modems = []string{"", "a", "b"}

// modemFact is {"modem": name}, for a name of one letter.
func modemFact(name string) []byte { return []byte("\xa1\x65modem\x61" + name) }

// TestFactsTakeBoundedMemory puts devices with as many facts as fit into a Hello.
func TestFactsTakeBoundedMemory(t *testing.T) {
	facts := []byte("\xb8\x40") // a map of 64
	for i := range 64 {
		facts = append(facts, fmt.Sprintf("\x62%02d\x6a0123456789", i)...)
	}
	x := newReady()
	for i := range 2 * blockRows {
		d := newDevice(fleet.DeviceID(fmt.Sprint("D", i)))
		d.Facts = facts
		x.Put(d)
		x.Put(d)
	}
	for _, b := range x.shards[1].blocks {
		if got := len(b.texts[factTexts].bytes) / blockRows; got > 1+wire.MaxSearchedFacts*factBytes {
			t.Errorf("got %d bytes per device, want at most %d facts of %d", got, wire.MaxSearchedFacts, factBytes)
		}
	}
	for path, want := range map[string]int{"00": 2 * blockRows, "31": 2 * blockRows, "32": 0} {
		page, err := x.Find(fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Owner}, Facts: []fleet.Fact{{Path: path, Value: "0123456789"}}, Limit: 1})
		if err != nil || page.Total != want {
			t.Errorf("fact %s: got %d devices, %v; want %d", path, page.Total, err, want)
		}
	}
}

func naiveCompare(q *fleet.DeviceQuery, a, b *fleet.Device) int {
	c := 0
	switch q.Sort {
	case fleet.ByName:
		c = strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	case fleet.ByVersion:
		c = a.Running.Compare(b.Running)
	case fleet.ByLastHandshake:
		c = a.LastHandshake.Compare(b.LastHandshake)
	}
	if c == 0 {
		c = strings.Compare(a.ID.String(), b.ID.String())
	}
	if q.Descending {
		return -c
	}
	return c
}

func TestListsAreUnavailableUntilTheIndexIsBuilt(t *testing.T) {
	x := New()
	if _, err := x.Find(fleet.DeviceQuery{}); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
}

func TestADeviceDeletedWhileTheIndexIsBuiltStaysDeleted(t *testing.T) {
	x := New()
	stale := newDevice("a")
	x.Remove("1/a")
	x.PutRead(stale)
	if _, ok := x.locations["1/a"]; ok {
		t.Error("a record read before the deletion came back")
	}
	stale.Revision = 5
	x.Put(stale) // created again
	if _, ok := x.locations["1/a"]; !ok {
		t.Error("the device created again is missing")
	}
}

func TestADeletionDuringTheReadOfARecordIsNotUndone(t *testing.T) {
	x := New()
	for i := range 2000 {
		d := newDevice(fleet.DeviceID(fmt.Sprint(i)))
		var both sync.WaitGroup
		both.Go(func() { x.PutRead(d) })
		both.Go(func() { x.Remove(d.ID) })
		both.Wait()
	}
	if len(x.locations) > 0 {
		t.Errorf("%d deleted devices are listed", len(x.locations))
	}
}

func TestACursorOfAnotherOrderIsInvalid(t *testing.T) {
	x := newReady()
	for i := range 3 {
		x.Put(newDevice(fleet.DeviceID(fmt.Sprint(i))))
	}
	q := fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Admin}, Limit: 1}
	page, err := x.Find(q)
	if err != nil {
		t.Fatal(err)
	}
	q.After, q.Sort = page.Next, fleet.ByName
	if _, err := x.Find(q); !errors.Is(err, fleet.Invalid) {
		t.Errorf("got %v, want invalid", err)
	}
	if _, err := x.Find(fleet.DeviceQuery{Actor: q.Actor, Skip: fleet.MaxSkip + 1}); !errors.Is(err, fleet.Invalid) {
		t.Errorf("a skip too far: got %v, want invalid", err)
	}
}
