package precedence

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
)

// Stepping stones: firmware can require that certain versions run before it is installed. A device
// that runs another one gets to its target by way of versions between the two (docs/adr/0032).

// Hop returns what c installs next to get to its target: the target's firmware, or the stepping stone
// nearest to it that can be installed over what runs and from which the target can be reached. It
// returns false if no uploaded versions lead there; the target's firmware then. A flash order has no stepping stones.
func (c *Candidate) Hop() (next fleet.Firmware, ok bool) {
	if c.direct() {
		return c.Firmware, true
	}
	if way := c.way(); len(way) > 0 && !c.Flash {
		return way[0], true
	}
	return c.Firmware, false
}

// Leads reports whether a device of no particular hardware that runs a version of c gets to another
// one, directly or by stepping stones.
func Leads(c *fleet.Catalog, from, to fleet.Version) bool {
	device := Candidate{Running: from}
	device.Aim(c, to)
	_, ok := device.Hop()
	return ok
}

// direct reports whether c's target can be installed over what runs.
func (c *Candidate) direct() bool { return c.Firmware.Requires.Has(c.Running) }

// way returns what to install one after the other to get to c's target, which comes last; nil if no
// uploaded versions lead there. Stepping stones are between what runs and the target, also where that is
// a lower version, so that each brings the device nearer; where what runs is not a known version, they are
// below the target. All of them suit the device. Each is the one nearest to the target
// that can be installed over the one before and leads on.
func (c *Candidate) way() []fleet.Firmware {
	if c.catalog == nil || c.Firmware.Version.IsZero() {
		return nil
	}
	stones := c.between()
	leads := make([]bool, len(stones)) // to the target; a stone depends only on those nearer to it
	for i := range stones {
		leads[i] = installs(&stones[i], &c.Firmware)
		for nearer := 0; nearer < i && !leads[i]; nearer++ {
			leads[i] = leads[nearer] && installs(&stones[i], &stones[nearer])
		}
	}
	var way []fleet.Firmware
	at, end := fleet.Firmware{Version: c.Running, Floor: c.Floor}, len(stones)
	for !installs(&at, &c.Firmware) {
		next := 0
		for next < end && !(leads[next] && installs(&at, &stones[next])) {
			next++
		}
		if next == end {
			return nil
		}
		at, end = stones[next], next
		way = append(way, at)
	}
	return append(way, c.Firmware)
}

// installs reports whether next can be installed over what runs.
func installs(runs, next *fleet.Firmware) bool {
	return next.Requires.Has(runs.Version) && next.Floor >= runs.Floor
}

// between returns the firmware that may be a stepping stone of c, the nearest to the target first.
func (c *Candidate) between() (stones []fleet.Firmware) {
	down := c.Running.Valid() && c.Running.Compare(c.Target) > 0
	for _, f := range c.catalog.Firmware {
		fromTarget, fromRunning := f.Version.Compare(c.Target), f.Version.Compare(c.Running)
		if down {
			fromTarget, fromRunning = -fromTarget, -fromRunning
		}
		if fromTarget < 0 && fromRunning > 0 && f.Suits(c.Hardware) && (c.MaxImage == 0 || uint64(f.Size) <= c.MaxImage) { //nolint:gosec // not negative
			stones = append(stones, f)
		}
	}
	slices.SortFunc(stones, func(a, b fleet.Firmware) int {
		if down {
			return a.Version.Compare(b.Version)
		}
		return b.Version.Compare(a.Version)
	})
	return stones
}
