package index

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

// TestSortedRowsAreTheSortedRows moves rows about as renames and handshakes do and looks
// at both directions, from every kind of place.
func TestSortedRowsAreTheSortedRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := make([]int, 4*chunkRows)
		s := ordering{compare: func(a, b int32) int { return cmp.Or(cmp.Compare(key[a], key[b]), cmp.Compare(a, b)) }}
		var in []int32
		for row := range int32(rapid.IntRange(0, len(key)).Draw(t, "rows")) {
			key[row] = int(row) * 7919 % 1000
			s.insert(row)
			in = append(in, row)
		}
		for range rapid.IntRange(0, 50).Draw(t, "moves") {
			if len(in) == 0 {
				break
			}
			first := rapid.IntRange(0, len(in)-1).Draw(t, "first")
			to := rapid.IntRange(-1, 1000).Draw(t, "to")
			some := in[first:min(len(in), first+100)]
			for _, row := range some {
				s.remove(row)
				if key[row] = to; to >= 0 {
					s.insert(row)
				}
			}
			if to < 0 {
				in = slices.Delete(in, first, first+len(some))
			}
		}
		slices.SortFunc(in, s.compare)
		from := rapid.IntRange(0, 1000).Draw(t, "from")
		chunk, i := s.seek(func(row int32) bool { return key[row] < from })
		var up, down []int32
		s.down(chunk, i, func(row int32) bool { down = append(down, row); return true })
		s.up(chunk, i, func(row int32) bool { up = append(up, row); return true })
		slices.Reverse(down)
		if got := slices.Concat(down, up); !slices.Equal(got, in) {
			t.Fatalf("got %v, want %v", got, in)
		}
		if len(up) > 0 && key[up[0]] < from || len(down) > 0 && key[down[len(down)-1]] >= from {
			t.Fatalf("sought %d, stands between %v and %v", from, down, up)
		}
		if len(s.chunks) > 1+8*len(in)/chunkRows {
			t.Fatalf("%d chunks for %d rows", len(s.chunks), len(in))
		}
	})
}

// TestTextsAreFoundInEveryRowThatHasThem compares the search of a page with one by hand.
func TestTheFirstRowsAreThoseOfTheWholeOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		rows := make([]int32, random.IntN(300))
		for i, n := range random.Perm(len(rows)) {
			rows[i] = int32(n)
		}
		n := random.IntN(100)
		got := sorted(slices.Clone(rows), n, cmp.Compare[int32])
		slices.Sort(rows)
		if n > 0 {
			got, rows = got[:min(n, len(got))], rows[:min(n, len(rows))]
		}
		if !slices.Equal(got, rows) {
			t.Fatalf("the first %d: got %v, want %v", n, got, rows)
		}
	}
}

func TestTextsAreFoundInEveryRowThatHasThem(t *testing.T) {
	x := newReady()
	names := []string{"", "a", "Aa", "aaa", "b a", "ÄB", "x\x00a", "ab"}
	for i := range 3000 {
		d := newDevice(fleet.DeviceID(fmt.Sprintf("d%04d", i)))
		d.Name = names[i%len(names)]
		x.Put(d)
	}
	admin := fleet.Actor{Team: 1, Role: fleet.Admin}
	for name, row := range map[string]struct {
		q    fleet.DeviceQuery
		want int
	}{
		"part":                {fleet.DeviceQuery{NamePart: "A"}, 6 * 375},
		"part that overlaps":  {fleet.DeviceQuery{NamePart: "aa"}, 2 * 375},
		"start":               {fleet.DeviceQuery{NamePrefix: "a"}, 4 * 375},
		"other letters":       {fleet.DeviceQuery{NamePrefix: "ä"}, 375},
		"zero byte":           {fleet.DeviceQuery{NamePart: "\x00a"}, 0},
		"across two rows":     {fleet.DeviceQuery{IDPart: "d0001d"}, 0},
		"the last of a page":  {fleet.DeviceQuery{IDPart: "1023"}, 1},
		"the first of a page": {fleet.DeviceQuery{IDPart: "1024"}, 1},
		"both":                {fleet.DeviceQuery{IDPart: "d000", NamePart: "b"}, 3},
		"named ones":          {fleet.DeviceQuery{IDs: []fleet.DeviceID{"d0001", "d0001", "d0003", "nobody"}, NamePart: "aA"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			row.q.Actor = admin
			if page, err := x.Find(row.q); err != nil || page.Total != row.want {
				t.Errorf("got %d, %v, want %d", page.Total, err, row.want)
			}
		})
	}
	renamed := newDevice("d0001")
	renamed.Name, renamed.Revision = "zebra", 2
	x.Put(renamed)
	if page, err := x.Find(fleet.DeviceQuery{Actor: admin, NamePart: "zebra"}); err != nil || page.Total != 1 {
		t.Errorf("a new name was not found: %+v, %v", page, err)
	}
	if _, err := x.Find(fleet.DeviceQuery{Actor: admin, Sort: orders}); !errors.Is(err, fleet.Invalid) {
		t.Errorf("an order that is not one: got %v, want invalid", err)
	}
}

// TestCountsAddUpToTheVisibleDevices compares the counts per class with a count
// by hand of those the actor sees.
func TestCountsAddUpToTheVisibleDevices(t *testing.T) {
	x := newReady()
	devices := map[fleet.DeviceID]*fleet.Device{}
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(0, 20).Draw(t, "devices") {
			d := drawSmall(t)
			d.Attempts = fleet.Attempts{Target: d.Running, Spent: rapid.IntRange(0, 2).Draw(t, "spent")}
			devices[d.ID] = &d
			x.Put(&d)
		}
		q := drawQuery(t)
		want, got := map[string]int{}, map[string]int{}
		name := func(e *fleet.IndexEntry) string {
			return fmt.Sprint(e.Product, e.Groups, e.Running, e.Hardware, e.Lock, e.Development, e.UpdatesOn, e.Force, e.Disabled, e.Held, e.Spent, e.AttemptsFor, e.Online, e.Update, e.UpdateTo, e.Reason)
		}
		product := cmp.Or(q.Product, 1)
		for id, d := range devices {
			if d.Product == product && fleet.Sees(q.Actor, d, devices[d.Gateway]) {
				e, err := x.Entry(id)
				if err != nil {
					t.Fatal(err)
				}
				want[name(&e)]++
			}
		}
		if err := x.Count(q.Actor, product, nil, func(e *fleet.IndexEntry, n int) { got[name(e)] += n }); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
