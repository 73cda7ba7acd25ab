package index

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// Lowest returns the border below which the n devices of a product with the lowest Mix by salt
// are, of those that reaches selects; the one above all of them if there are fewer. reaches is asked
// once per class, with an entry as Count gives it. It takes time by the number of devices. It
// returns ErrNotReady before Finish.
func (x *Index) Lowest(actor fleet.Actor, product fleet.ProductID, salt uint64, n int, reaches func(*fleet.IndexEntry) bool) (below uint32, err error) {
	if !x.Ready() {
		return 0, ErrNotReady
	}
	var lowest []uint32 // sorted, at most n
	x.query(fleet.DeviceQuery{Actor: actor, Product: product}, func(f *filter) {
		for number := range f.classes {
			if f.classes[number] == selectNone {
				continue
			}
			c := &f.shard.classes[number]
			e := x.expand(&c.traits)
			if e.ID = f.shard.row(c.rows[0]).id; !reaches(&e) {
				continue
			}
			for _, hash := range c.hashes {
				mix := fleet.Mix(hash, salt)
				if len(lowest) == n && mix >= lowest[n-1] {
					continue
				}
				at, _ := slices.BinarySearch(lowest, mix)
				if len(lowest) == n {
					lowest = lowest[:n-1]
				}
				lowest = slices.Insert(lowest, at, mix)
			}
		}
	})
	if len(lowest) == 0 {
		return 1, nil // there is none yet: nobody is inside, but the border is drawn
	}
	return max(lowest[len(lowest)-1], lowest[len(lowest)-1]+1), nil
}
