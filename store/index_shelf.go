package store

import (
	"sync/atomic"

	"github.com/muster-iot/muster/fleet"
)

// shelf holds the devices of one team, in pages that never move, and their orders.
type shelf struct {
	pages  []*page
	used   int   // rows ever used
	free   []int // rows to use again
	orders [sorts]sorted
}

// sorts is how many orders a list of devices can have.
const sorts = fleet.ByLastHandshake + 1

const pageRows = 1024

// page is some rows; what filters and counts look at is packed beside them, so that
// looking at all devices of a team reads 28 bytes of each.
type page struct {
	facts [pageRows]fact
	rows  [pageRows]row
	texts [texts]atomic.Pointer[[]byte] // made when first searched; nil after a change
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
	updateTo      int32
	reason        fleet.ReasonCode
	update        fleet.UpdateState
}

// fact is what filters and counts look at. Numbers of versions, gateways and group sets
// point into the pools.
type fact struct {
	product     fleet.ProductID
	gateway     int32
	groups      int32
	running     int32
	lock        int32
	attemptsFor int32
	spent       int16
	kind        fleet.DeviceKind
	flags       flags
}

type flags uint8

const (
	rowUsed flags = 1 << iota // a device is here
	rowDevelopment
	rowUpdatesOn
	rowForce
	rowDisabled
	rowOnline
	rowHeld
)

func (s *shelf) at(i int32) line {
	p := s.pages[i/pageRows]
	return line{&p.facts[i%pageRows], &p.rows[i%pageRows]}
}

// take finds a row to use.
func (s *shelf) take() int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return int32(i)
	}
	if s.used == len(s.pages)*pageRows {
		s.pages = append(s.pages, new(page))
	}
	s.used++
	return int32(s.used - 1)
}
