package index

import "github.com/muster-iot/muster/fleet"

// shelf holds the devices of one team, in pages that never move, their classes and their
// orders.
type shelf struct {
	pages    []*page
	used     int     // rows ever used
	free     []int32 // rows to use again
	classes  []class // the first is of no device
	numbers  map[fact]int32
	spare    []int32           // classes to use again
	attached map[int32][]int32 // rows of BLE devices, by the number of their gateway
	orders   [sorts]sorted

	unordered bool           // until all devices were read
	touched   map[int32]bool // rows written while the others are being sorted; nil before and after
}

// sorts is how many orders a list of devices can have.
const sorts = fleet.ByLastHandshake + 1

const pageRows = 1024

// page is some rows. What lists look at for each device is packed beside them.
type page struct {
	links [pageRows]link
	rows  [pageRows]row
	texts [texts]text
}

type place struct {
	shelf *shelf
	row   int32
}

// line is one device of a page.
type line struct {
	*fact
	*row
}

// row is what is only looked at once a device is found.
type row struct {
	id            fleet.DeviceID
	name          string
	revision      uint64
	lastHandshake int64 // Unix ns, 0: never
	gateway       int32 // points into the pool
}

func (x *Index) newShelf() *shelf {
	s := &shelf{unordered: !x.arranged, classes: make([]class, 1), numbers: map[fact]int32{}, attached: map[int32][]int32{}}
	for by := range s.orders {
		s.orders[by].compare = x.comparison(s, fleet.DeviceSort(by))
	}
	return s
}

func (s *shelf) link(i int32) *link { return &s.pages[i/pageRows].links[i%pageRows] }
func (s *shelf) row(i int32) *row   { return &s.pages[i/pageRows].rows[i%pageRows] }

func (s *shelf) at(i int32) line { return line{&s.classes[s.link(i).class].fact, s.row(i)} }

// take finds a row to use.
func (s *shelf) take() int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if s.used == len(s.pages)*pageRows {
		s.pages = append(s.pages, new(page))
	}
	s.used++
	return int32(s.used - 1)
}

// place puts a row into an order, and displace takes it out; while the others are being
// sorted they note it instead.
func (s *shelf) place(by int, row int32) {
	if !s.unordered {
		s.orders[by].insert(row)
	} else if s.touched != nil {
		s.touched[row] = true
	}
}

func (s *shelf) displace(by int, row int32) {
	if !s.unordered {
		s.orders[by].remove(row)
	} else if s.touched != nil {
		s.touched[row] = true
	}
}

// write sets what a row is found by.
func (s *shelf) write(i int32, kind int, text string) {
	s.pages[i/pageRows].texts[kind].write(int(i%pageRows), text)
}
