package index

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// bigIndex is an index of a million devices in one team: a quarter of them in group 9,
// each in one of 7 others, ids and names in no order. It reports bytes per device.
func bigIndex(b *testing.B) *Index { return bigIndexWith(b, func(int) []byte { return nil }) }

func bigIndexWith(b *testing.B, facts func(n int) []byte) *Index {
	b.Helper()
	const devices = 1_000_000
	x := New()
	before := heap()
	for i := range devices {
		n := i * 7919 % devices
		d := newDevice(fleet.DeviceID(fmt.Sprintf("nrf-3525%010d", n)))
		d.Revision, d.Groups, d.Running = 1, []fleet.GroupID{fleet.GroupID(n%7) + 1}, version(fmt.Sprint(n%5+1))
		if n%4 == 0 {
			d.Groups = append(d.Groups, 9)
		}
		d.Name = fmt.Sprintf("Lamp %d of hall %d", i, n%977)
		d.LastHandshake, d.Development, d.Facts = at(n), n%100 == 0, facts(n)
		x.Put(d)
	}
	began := time.Now()
	x.Finish()
	b.Logf("sorted in %v", time.Since(began))
	b.Logf("%.0f bytes per device", float64(heap()-before)/devices)
	b.Cleanup(func() {
		b.Logf("%.0f bytes per device after searches", float64(heap()-before)/devices)
		runtime.KeepAlive(x)
	})
	return x
}

// BenchmarkFind1M asks for first, middle and last pages of lists of a million devices.
func BenchmarkFind1M(b *testing.B) {
	x := bigIndex(b)
	admin := fleet.Actor{Team: 1, Role: fleet.Admin}
	editor := fleet.Actor{Team: 1, Role: fleet.Editor, Groups: []fleet.GroupID{3}}
	for _, row := range []struct {
		name string
		q    fleet.DeviceQuery
	}{
		{"by id", fleet.DeviceQuery{Actor: admin}},
		{"by name", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByName}},
		{"by version", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByVersion}},
		{"by last handshake", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByLastHandshake, Descending: true}},
		{"of a group", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByName, Groups: []fleet.GroupID{9}}},
		{"of a version", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByLastHandshake, Version: version("3")}},
		{"by name prefix", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByName, NamePrefix: "lamp 77"}},
		{"by part of the name", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByName, NamePart: "HALL 7"}},
		{"by part of every name", fleet.DeviceQuery{Actor: admin, Sort: fleet.ByName, NamePart: "lamp"}},
		{"by part of the id", fleet.DeviceQuery{Actor: admin, IDPart: "0077"}},
		{"seen by an editor", fleet.DeviceQuery{Actor: editor, Sort: fleet.ByName}},
		{"an editor's group", fleet.DeviceQuery{Actor: editor, Groups: []fleet.GroupID{3}, NamePart: "hall"}},
	} {
		for _, place := range []string{"first", "middle", "last"} {
			q := row.q
			if place != "first" {
				q.After = pageAfter(b, x, q, place == "last")
			}
			b.Run(row.name+"/"+place, func(b *testing.B) {
				var times []time.Duration
				for b.Loop() {
					began := time.Now()
					if page, err := x.Find(q); err != nil || page.Total == 0 || len(page.IDs) == 0 {
						b.Fatal(page, err)
					}
					times = append(times, time.Since(began))
				}
				slices.Sort(times)
				b.ReportMetric(times[len(times)*99/100].Seconds()*1000, "p99-ms")
			})
		}
	}
}

// BenchmarkSearch1M looks for parts of a name that nothing remembered answers.
func BenchmarkSearch1M(b *testing.B) {
	x := bigIndex(b)
	for _, part := range []string{"hall 77", "HALL", "37", "nobody"} {
		b.Run(part, func(b *testing.B) {
			for b.Loop() {
				x.searches.all = nil
				_, err := x.Find(fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Admin}, Sort: fleet.ByName, NamePart: part})
				must(b, err)
			}
		})
	}
}

// BenchmarkFacts1M gives each of a million devices three facts, one of them its own, looks for
// each, and puts a device whose own one changed.
func BenchmarkFacts1M(b *testing.B) {
	facts := func(n int) []byte {
		return fmt.Appendf(nil, "\xa3\x64imei\x6f%015d\x65modem\x69nRF916%d_x\x63sdk\x66v2.%d.1", n, n%3, n%9)
	}
	x := bigIndexWith(b, facts)
	for name, fact := range map[string]fleet.Fact{"own": {Path: "imei", Value: fmt.Sprintf("%015d", 77)}, "shared": {Path: "modem", Value: "nrf9161_x"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				x.searches.all = nil
				page, err := x.Find(fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Admin}, Sort: fleet.ByName, Facts: []fleet.Fact{fact}})
				if must(b, err); page.Total == 0 {
					b.Fatal("found nothing")
				}
			}
		})
	}
	b.Run("put", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			d := newDevice(fleet.DeviceID(fmt.Sprintf("nrf-3525%010d", i*7919%1_000_000)))
			d.Revision, d.Facts = uint64(i)+2, facts(i+1_000_000)
			x.Put(d)
		}
	})
}

// BenchmarkCount1M is what the impact of an action on a million devices takes of the index, also
// where releases with a plan split all of them.
func BenchmarkCount1M(b *testing.B) {
	x := bigIndex(b)
	admin := fleet.Actor{Team: 1, Role: fleet.Admin}
	for name, row := range map[string]struct {
		actor  fleet.Actor
		splits []fleet.Split
	}{
		"admin": {actor: admin}, "editor": {actor: fleet.Actor{Team: 1, Role: fleet.Editor, Groups: []fleet.GroupID{9}}},
		"admin, one split": {admin, []fleet.Split{{Salt: 1, Below: 1 << 31}}},
		"admin, 3 splits":  {admin, []fleet.Split{{Salt: 1, Below: 1 << 31}, {Salt: 2, Below: 1 << 25}, {Salt: 3, Below: 1 << 30}}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				devices, kinds := 0, 0
				must(b, x.Count(row.actor, 1, row.splits, func(_ *fleet.IndexEntry, n int) { devices, kinds = devices+n, kinds+1 }))
				if devices == 0 || kinds > 1000 {
					b.Fatal(devices, kinds)
				}
			}
		})
	}
}

// pageAfter is the cursor before a page in the middle of what q finds, or the last.
func pageAfter(b *testing.B, x *Index, q fleet.DeviceQuery, last bool) string {
	b.Helper()
	if last { // the other way round, the last page comes first
		q.Descending = !q.Descending
		q.Limit = 10
	} else {
		q.Skip = fleet.MaxSkip
	}
	page, err := x.Find(q)
	must(b, err)
	l := listing{by: q.Sort, descending: q.Descending}
	if last {
		l.descending = !q.Descending
	}
	at := x.locations[page.IDs[len(page.IDs)-1]]
	return l.cursor(x.sortKey(q.Sort, at.shard, at.row))
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// heap is the size of what is in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
