package index

import (
	"slices"
	"sort"
)

// sorted keeps rows of a shelf in an order, in chunks: a change moves a chunk's rows, not
// all. Rows compare equal to themselves only. What rows are compared by must not change
// while they are in.
type sorted struct {
	compare func(a, b int32) int
	chunks  [][]int32 // none empty
}

const chunkRows = 512

// seek finds the first row that is not before: the place is one past the end if all are.
// The rows for which before holds come first.
func (s *sorted) seek(before func(row int32) bool) (chunk, i int) {
	if n := len(s.chunks); n == 0 || before(last(s.chunks[n-1])) { // what is new often belongs at the end
		return n, 0
	}
	chunk = sort.Search(len(s.chunks), func(c int) bool { return !before(last(s.chunks[c])) })
	rows := s.chunks[chunk]
	return chunk, sort.Search(len(rows), func(i int) bool { return !before(rows[i]) })
}

func last(rows []int32) int32 { return rows[len(rows)-1] }

func (s *sorted) insert(row int32) {
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

// fill takes rows that are sorted, and that nothing else holds, in the place of all.
func (s *sorted) fill(rows []int32) {
	s.chunks = slices.Collect(slices.Chunk(rows, chunkRows*3/4)) // leaves room for what comes in between
	for c := range s.chunks {
		s.chunks[c] = append(make([]int32, 0, chunkRows), s.chunks[c]...)
	}
}

// remove takes out a row that is in.
func (s *sorted) remove(row int32) {
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

// merge joins chunk c and the next where both are small: rows that move to the end, as
// those of devices that shook hands, must not leave a chunk behind for each that stays.
func (s *sorted) merge(c int) {
	if c+1 < len(s.chunks) && len(s.chunks[c])+len(s.chunks[c+1]) <= chunkRows/2 {
		s.chunks[c] = append(s.chunks[c], s.chunks[c+1]...)
		s.chunks = slices.Delete(s.chunks, c+1, c+2)
	}
}

// up visits the rows from a place on, until visit returns false.
func (s *sorted) up(chunk, i int, visit func(row int32) bool) {
	for ; chunk < len(s.chunks); chunk, i = chunk+1, 0 {
		for _, row := range s.chunks[chunk][i:] {
			if !visit(row) {
				return
			}
		}
	}
}

// down visits the rows before a place, last first, until visit returns false.
func (s *sorted) down(chunk, i int, visit func(row int32) bool) {
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
