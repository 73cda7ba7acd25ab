package index

import "github.com/muster-iot/muster/fleet"

// shard holds the devices of one team: rows in blocks that never move, the classes of the rows,
// and the rows in each order.
type shard struct {
	blocks      []*block
	used        int     // rows ever used
	free        []int32 // rows to use again
	classes     []class // the first has no rows
	numbers     map[traits]int32
	freeClasses []int32
	attached    map[int32][]int32 // rows of BLE devices, by the number of their gateway
	orders      [orders]ordering

	unsorted bool           // until Finish has sorted the rows
	touched  map[int32]bool // rows written while Finish sorts; nil before and after
}

// orders is how many orders a list of devices can have.
const orders = fleet.ByLastHandshake + 1

const blockRows = 1024

// block is some rows. What lists look at of each device is close together.
type block struct {
	slots [blockRows]slot
	rows  [blockRows]row
	texts [texts]textBlock
	seen  [blockRows / 64]uint64 // a bit per row that a Rereading has seen
}

// location is where a device is.
type location struct {
	shard *shard
	row   int32
}

// row is the part of a device that its class doesn't share.
type row struct {
	id            fleet.DeviceID
	name          string
	revision      uint64
	lastHandshake int64  // Unix ns, 0: never
	gateway       int32  // points into the pool
	facts         uint32 // hash of what the record has of them
	notes         uint32 // hash of them, 0: none
}

// newShard returns an empty shard; the caller must hold x.mu.
func (x *Index) newShard() *shard {
	s := &shard{unsorted: !x.sorted, classes: make([]class, 1), numbers: map[traits]int32{}, attached: map[int32][]int32{}}
	for by := range s.orders {
		s.orders[by].compare = x.comparison(s, fleet.DeviceSort(by))
	}
	return s
}

func (s *shard) slot(i int32) *slot     { return &s.blocks[i/blockRows].slots[i%blockRows] }
func (s *shard) row(i int32) *row       { return &s.blocks[i/blockRows].rows[i%blockRows] }
func (s *shard) traits(i int32) *traits { return &s.classes[s.slot(i).class].traits }

// take returns a row that is not in use.
func (s *shard) take() int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if s.used == len(s.blocks)*blockRows {
		s.blocks = append(s.blocks, new(block))
	}
	s.used++
	return int32(s.used - 1)
}

// insertInto inserts a row into an order, or notes it while Finish sorts.
func (s *shard) insertInto(by int, row int32) {
	if !s.unsorted {
		s.orders[by].insert(row)
	} else if s.touched != nil {
		s.touched[row] = true
	}
}

// removeFrom removes a row from an order, or notes it while Finish sorts. It must be called
// before what the row is sorted by changes.
func (s *shard) removeFrom(by int, row int32) {
	if !s.unsorted {
		s.orders[by].remove(row)
	} else if s.touched != nil {
		s.touched[row] = true
	}
}

// attach adds a row to its gateway's list.
func (s *shard) attach(row int32) {
	if g := s.row(row).gateway; g != 0 {
		s.attached[g] = append(s.attached[g], row)
	}
}

// setText sets a text by which a row is searched for.
func (s *shard) setText(i int32, kind int, text string) {
	s.blocks[i/blockRows].texts[kind].set(int(i%blockRows), text)
}
