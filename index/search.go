package index

import (
	"slices"
	"sync"

	"github.com/muster-iot/muster/fleet"
)

// substring is a text that the name, the id or the facts of a row must contain.
type substring struct {
	kind int    // nameText, idText or factTexts; texts: one of anyText
	text string // searchable, or of factText
}

// kinds are the texts of which one must contain p.
func (p substring) kinds() []int {
	if p.kind == texts {
		return anyText
	}
	return []int{p.kind}
}

// search is where a substring was found, block by block. A user who pages through a list sends
// the same query again and again: a block is searched again only after one of its texts changed.
type search struct {
	team      fleet.TeamID
	substring substring

	mu     sync.Mutex
	blocks []matches // guarded by mu
}

// matches is the rows of a block that contained a substring when its texts had this version.
type matches struct {
	rows    bits
	version uint32
	known   bool
}

// maxSearches is how many searches are kept: each takes some 130 KB for a million devices.
const maxSearches = 32

// recentSearches are the last searches, the most recent one first.
type recentSearches struct {
	mu  sync.Mutex
	all []*search // guarded by mu
}

// of returns the search for a substring, a new one if there was none recently.
func (c *recentSearches) of(team fleet.TeamID, p substring) *search {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.all, func(s *search) bool { return s.team == team && s.substring == p })
	if at >= 0 {
		s := c.all[at]
		c.all = slices.Insert(slices.Delete(c.all, at, at+1), 0, s)
		return s
	}
	s := &search{team: team, substring: p}
	c.all = slices.Insert(c.all[:min(len(c.all), maxSearches-1)], 0, s)
	return s
}

// run brings s up to date and returns a copy of its matches. It holds the index's lock for one
// block at a time. A second caller waits and finds it done.
func (s *search) run(x *Index) []matches {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; s.searchBlock(x, i); i++ {
	}
	return slices.Clone(s.blocks)
}

// searchBlock reports whether there was a block i to search; the caller must hold s.mu.
func (s *search) searchBlock(x *Index, i int) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	shard := x.shards[s.team]
	if shard == nil || i == len(shard.blocks) {
		return false
	}
	if i == len(s.blocks) {
		s.blocks = append(s.blocks, matches{})
	}
	s.blocks[i].update(shard.blocks[i], s.substring)
	return true
}

// update searches b unless its texts are those that were searched; the caller must hold the
// index's lock.
func (m *matches) update(b *block, p substring) {
	kinds, version := p.kinds(), uint32(0)
	for _, kind := range kinds {
		version += b.texts[kind].version // each grows only
	}
	if m.known && m.version == version {
		return
	}
	*m = matches{version: version, known: true}
	for _, kind := range kinds {
		m.rows.unite(b.texts[kind].containing([]byte(p.text)))
	}
}
