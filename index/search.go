package index

import (
	"slices"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// part is a text that a row's name or id must contain.
type part struct {
	kind int
	text string // in lower case
}

// search is where a part was found, page by page. Who pages through a list asks for the
// same again and again: the texts of a page are read again only when one of them changed.
type search struct {
	team  fleet.TeamID
	part  part
	mu    sync.Mutex
	pages []found // guarded by mu
}

// found is the rows of a page that had a part when its texts had this version.
type found struct {
	rows    bits
	version uint32
	known   bool
}

// maxSearches are remembered: some 130 KB each at a million devices.
const maxSearches = 32

// searches are those of late, the last one first.
type searches struct {
	mu  sync.Mutex
	all []*search
}

func (c *searches) of(team fleet.TeamID, p part) *search {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.all, func(s *search) bool { return s.team == team && s.part == p })
	if at >= 0 {
		s := c.all[at]
		c.all = slices.Insert(slices.Delete(c.all, at, at+1), 0, s)
		return s
	}
	s := &search{team: team, part: p}
	c.all = slices.Insert(c.all[:min(len(c.all), maxSearches-1)], 0, s)
	return s
}

// look brings s up to date, with the index's lock held for one page at a time, and returns
// a copy. Who asks for the same meanwhile waits, and finds it done.
func (s *search) look(x *Index) []found {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; s.page(x, i); i++ {
	}
	return slices.Clone(s.pages)
}

func (s *search) page(x *Index, i int) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	shelf := x.shelves[s.team]
	if shelf == nil || i == len(shelf.pages) {
		return false
	}
	if i == len(s.pages) {
		s.pages = append(s.pages, found{})
	}
	s.pages[i].look(shelf.pages[i], s.part)
	return true
}

// look must be called with the index's lock held.
func (f *found) look(p *page, part part) {
	t := &p.texts[part.kind]
	if !f.known || f.version != t.version {
		*f = found{t.having([]byte(part.text)), t.version, true}
	}
}
