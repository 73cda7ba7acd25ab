package grant

import (
	"slices"
	"strconv"
	"strings"
)

// claim is what a node has of a limit, as others read it.
type claim struct {
	grant int64 // it uses no more
	need
}

type need struct{ wants, held int64 }

// claims are those of one node, by limit.
type claims map[string]claim

// encode returns claims as the text of a field. Names have no spaces.
func (c claims) encode() string {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	slices.Sort(names)
	var b []byte
	for _, name := range names {
		of := c[name]
		b = append(b, name...)
		for _, n := range []int64{of.grant, of.wants, of.held} {
			b = strconv.AppendInt(append(b, ' '), n, 10)
		}
		b = append(b, '\n')
	}
	return string(b)
}

// decode reads what encode wrote. Numbers that a later release adds are skipped.
func decode(text string) claims {
	c := claims{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 4 {
			continue
		}
		var n [3]int64
		for i := range n {
			n[i], _ = strconv.ParseInt(words[1+i], 10, 64)
		}
		c[words[0]] = claim{n[0], need{n[1], n[2]}}
	}
	return c
}

// wish is what one node wants of a limit.
type wish struct {
	node  string
	wants int64
}

// shareOf returns the share of a node in most, by what each node wants: that, if it is enough for all;
// else no node gets less than another unless it wants less. What can't be divided goes to some that want it,
// turn by turn; what nobody wants is divided equally, so that each node has some at hand.
func shareOf(node string, most int64, wishes []wish, turn int64) int64 {
	slices.SortFunc(wishes, func(a, b wish) int { return strings.Compare(a.node, b.node) })
	byWant := slices.Clone(wishes)
	slices.SortStableFunc(byWant, func(a, b wish) int { return int(min(max(a.wants-b.wants, -1), 1)) })
	left, nodes := most, int64(len(wishes))
	level := int64(0) // that nobody who wants more gets less than
	for i, w := range byWant {
		level = left / (nodes - int64(i))
		if w.wants > level {
			break
		}
		left -= w.wants
	}
	left = most
	var more []string // nodes that want more than the level
	own := int64(0)
	for _, w := range wishes {
		got := min(w.wants, level)
		left -= got
		if w.wants > level {
			more = append(more, w.node)
		}
		if w.node == node {
			own = got
		}
	}
	if len(more) == 0 {
		for _, w := range wishes {
			more = append(more, w.node)
		}
		own += left / nodes
		left, turn = left%nodes, 0
	}
	for i := range min(left, int64(len(more))) {
		if more[(turn+i)%int64(len(more))] == node {
			own++
		}
	}
	return own
}
