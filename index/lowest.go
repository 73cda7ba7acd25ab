package index

import (
	"cmp"
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// Lowest returns the n devices of a product with the lowest Mix by salt, of those that reaches
// selects, and the border below which these are; the one above all of them if there are fewer. reaches is asked
// once per class, with an entry as Count gives it. It takes time by the number of devices. It
// returns ErrNotReady before Finish.
func (x *Index) Lowest(actor fleet.Actor, product fleet.ProductID, salt uint64, n int, reaches func(*fleet.IndexEntry) bool) (devices []fleet.DeviceID, below uint32, err error) {
	if !x.Ready() {
		return nil, 0, ErrNotReady
	}
	type place struct {
		mix    uint32
		device fleet.DeviceID
	}
	var lowest []place // sorted, at most n
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
			for i, hash := range c.hashes {
				mix := fleet.Mix(hash, salt)
				if len(lowest) == n && mix >= lowest[n-1].mix {
					continue
				}
				at, _ := slices.BinarySearchFunc(lowest, mix, func(p place, mix uint32) int { return cmp.Compare(p.mix, mix) })
				if len(lowest) == n {
					lowest = lowest[:n-1]
				}
				lowest = slices.Insert(lowest, at, place{mix, f.shard.row(c.rows[i]).id})
			}
		}
	})
	if len(lowest) == 0 {
		return nil, 1, nil // there is none yet: nobody is inside, but the border is drawn
	}
	for _, p := range lowest {
		devices = append(devices, p.device)
	}
	last := lowest[len(lowest)-1].mix
	return devices, max(last, last+1), nil
}
