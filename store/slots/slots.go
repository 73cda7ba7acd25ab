// Package slots finds out which master of a Redis Cluster holds which key.
package slots

import (
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Count is the number of slots of every Cluster.
const Count = 16384

// Of returns the slot of a key: CRC16 of its tag, the part in the first braces unless that is
// empty, else of the whole key (Redis Cluster specification, "Key distribution model").
func Of(key string) int {
	if _, rest, opened := strings.Cut(key, "{"); opened {
		if tag, _, closed := strings.Cut(rest, "}"); closed && tag != "" {
			key = tag
		}
	}
	crc := uint16(0)
	for i := range len(key) {
		crc = crc<<8 ^ table[byte(crc>>8)^key[i]]
	}
	return int(crc % Count)
}

// table is CRC16-CCITT (XMODEM).
var table = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		t[i] = crc
	}
	return t
}()

// Map is which master holds which slot. It does not change.
type Map struct {
	Masters []string      // addresses, sorted
	owners  [Count]uint16 // index into Masters plus 1; 0: no master holds the slot
	nodes   []string      // addresses of masters and replicas
	epoch   uint64        // of the Cluster, when a node answered with this map
}

// Owner returns the index in Masters of the one that holds a slot, -1 if there is none.
func (m *Map) Owner(slot int) int { return int(m.owners[slot]) - 1 }

// Same reports whether two maps are equal.
func (m *Map) Same(other *Map) bool {
	return other != nil && slices.Equal(m.Masters, other.Masters) && m.owners == other.owners
}

// newMap returns the map that the node at origin answered with.
func newMap(ranges []redis.ClusterSlot, origin string) *Map {
	m := &Map{}
	for _, r := range ranges {
		for i, node := range r.Nodes {
			addr := reachable(node.Addr, origin)
			m.nodes = append(m.nodes, addr)
			if i == 0 {
				m.Masters = append(m.Masters, addr)
			}
		}
	}
	slices.Sort(m.Masters)
	m.Masters = slices.Compact(m.Masters)
	slices.Sort(m.nodes)
	m.nodes = slices.Compact(m.nodes)
	for _, r := range ranges {
		if len(r.Nodes) == 0 {
			continue
		}
		owner, _ := slices.BinarySearch(m.Masters, reachable(r.Nodes[0].Addr, origin))
		for slot := max(r.Start, 0); slot <= min(r.End, Count-1); slot++ {
			m.owners[slot] = uint16(owner + 1)
		}
	}
	return m
}
