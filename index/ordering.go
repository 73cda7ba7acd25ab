package index

import (
	"slices"
	"sort"
)

// ordering is the rows of a shard in one order, in chunks: a change moves the rows of a chunk
// only. No two rows may compare equal, and what rows are compared by must not change while they
// are in the ordering.
type ordering struct {
	compare func(a, b int32) int
	chunks  [][]int32 // none empty
}

const chunkRows = 512

// seek returns where the first row is for which before is false; that is past the end if there
// is none. Rows for which it is true must come first.
func (s *ordering) seek(before func(row int32) bool) (chunk, i int) {
	if n := len(s.chunks); n == 0 || before(last(s.chunks[n-1])) { // new rows often belong at the end
		return n, 0
	}
	chunk = sort.Search(len(s.chunks), func(c int) bool { return !before(last(s.chunks[c])) })
	rows := s.chunks[chunk]
	return chunk, sort.Search(len(rows), func(i int) bool { return !before(rows[i]) })
}

func last(rows []int32) int32 { return rows[len(rows)-1] }

func (s *ordering) insert(row int32) {
	c, i := s.seek(func(other int32) bool { return s.compare(other, row) < 0 })
	if c == len(s.chunks) {
		if c == 0 || len(s.chunks[c-1]) == chunkRows {
			s.chunks = append(s.chunks, make([]int32, 0, chunkRows))
			c++
		}
		s.chunks[c-1] = append(s.chunks[c-1], row)
		return
	}
	if rows := s.chunks[c]; len(rows) == chunkRows {
		upper := append(make([]int32, 0, chunkRows), rows[chunkRows/2:]...)
		s.chunks[c] = rows[:chunkRows/2]
		s.chunks = slices.Insert(s.chunks, c+1, upper)
		if i > chunkRows/2 {
			c, i = c+1, i-chunkRows/2
		}
	}
	s.chunks[c] = slices.Insert(s.chunks[c], i, row)
}

// fill replaces all rows by these, which must be sorted. It takes over the slice.
func (s *ordering) fill(rows []int32) {
	s.chunks = slices.Collect(slices.Chunk(rows, chunkRows*3/4)) // leaves room for insertions
	for c := range s.chunks {
		s.chunks[c] = append(make([]int32, 0, chunkRows), s.chunks[c]...)
	}
}

// remove removes a row, which must be in the ordering.
func (s *ordering) remove(row int32) {
	c, i := s.seek(func(other int32) bool { return s.compare(other, row) < 0 })
	s.chunks[c] = slices.Delete(s.chunks[c], i, i+1)
	if len(s.chunks[c]) == 0 {
		s.chunks = slices.Delete(s.chunks, c, c+1)
		return
	}
	s.merge(c)
	if c > 0 {
		s.merge(c - 1)
	}
}

// merge joins chunk c and the next if both are small. Otherwise rows that move to the end, as
// each handshake moves its device, would leave a chunk behind for each row that stays.
func (s *ordering) merge(c int) {
	if c+1 < len(s.chunks) && len(s.chunks[c])+len(s.chunks[c+1]) <= chunkRows/2 {
		s.chunks[c] = append(s.chunks[c], s.chunks[c+1]...)
		s.chunks = slices.Delete(s.chunks, c+1, c+2)
	}
}

// up visits the rows from this one on, until visit returns false.
func (s *ordering) up(chunk, i int, visit func(row int32) bool) {
	for ; chunk < len(s.chunks); chunk, i = chunk+1, 0 {
		for _, row := range s.chunks[chunk][i:] {
			if !visit(row) {
				return
			}
		}
	}
}

// down visits the rows before this one, last first, until visit returns false.
func (s *ordering) down(chunk, i int, visit func(row int32) bool) {
	for {
		for i--; i >= 0; i-- {
			if !visit(s.chunks[chunk][i]) {
				return
			}
		}
		if chunk--; chunk < 0 {
			return
		}
		i = len(s.chunks[chunk])
	}
}
