package index

import (
	"cmp"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// sortable is what a row is sorted by.
type sortable struct {
	id            fleet.DeviceID
	name          string
	lastHandshake int64
	version       int32
	row           int32
}

// sortAll sorts the devices of all shards once. That takes a tenth of the time of inserting each
// into its orders as it is read. Writes don't wait for it: what is written meanwhile is inserted
// afterwards.
func (x *Index) sortAll() {
	for _, s := range x.beginSorting() {
		rows, ranks := x.sortables(s)
		x.install(s, sortedRows(rows, ranks))
	}
}

// beginSorting returns the shards to sort; from now on they note which rows are written.
func (x *Index) beginSorting() (shards []*shard) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sorted = true
	for _, s := range x.shards {
		s.touched = map[int32]bool{}
		shards = append(shards, s)
	}
	return shards
}

// sortables copies what the rows of s are sorted by, one block at a time, and ranks the numbers
// of versions: equal versions have the same rank.
func (x *Index) sortables(s *shard) (rows []sortable, ranks []int) {
	for n := 0; ; n++ {
		x.mu.RLock()
		for i := n * blockRows; i < min(s.used, (n+1)*blockRows); i++ {
			if class := s.slot(int32(i)).class; class != 0 {
				r := s.row(int32(i))
				rows = append(rows, sortable{r.id, r.name, r.lastHandshake, s.classes[class].traits.running, int32(i)})
			}
		}
		if (n+1)*blockRows >= s.used {
			break
		}
		x.mu.RUnlock()
	}
	defer x.mu.RUnlock()
	numbers := make([]int32, len(x.versions.values))
	for n := range numbers {
		numbers[n] = int32(n)
	}
	compare := func(a, b int32) int { return compareVersions(x.versions.values[a], x.versions.values[b]) }
	slices.SortFunc(numbers, compare)
	ranks = make([]int, len(numbers))
	for at, n := range numbers {
		if ranks[n] = at; at > 0 && compare(numbers[at-1], n) == 0 {
			ranks[n] = ranks[numbers[at-1]]
		}
	}
	return rows, ranks
}

// sortedRows returns the rows in each order. It reorders its argument.
func sortedRows(rows []sortable, ranks []int) (all [orders][]int32) {
	list := func() []int32 {
		list := make([]int32, len(rows))
		for i := range rows {
			list[i] = rows[i].row
		}
		return list
	}
	slices.SortFunc(rows, func(a, b sortable) int { return cmp.Compare(a.id, b.id) })
	all[fleet.ByID] = list()
	ofRank := make([][]int32, len(ranks)) // each by id, as rows are now
	for i := range rows {
		rank := ranks[rows[i].version]
		ofRank[rank] = append(ofRank[rank], rows[i].row)
	}
	all[fleet.ByVersion] = slices.Concat(ofRank...)
	slices.SortFunc(rows, func(a, b sortable) int {
		if c := compareFold(a.name, b.name); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	})
	all[fleet.ByName] = list()
	slices.SortFunc(rows, func(a, b sortable) int {
		if c := cmp.Compare(a.lastHandshake, b.lastHandshake); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	})
	all[fleet.ByLastHandshake] = list()
	return all
}

// install gives s its orders and inserts the rows that were written while they were sorted.
func (x *Index) install(s *shard, all [orders][]int32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for by := range s.orders {
		o := &s.orders[by]
		o.fill(slices.DeleteFunc(all[by], func(row int32) bool { return s.touched[row] }))
		for row := range s.touched {
			if s.slot(row).class != 0 {
				o.insert(row)
			}
		}
	}
	s.touched, s.unsorted = nil, false
}
