package fleet

import (
	"slices"
	"time"
)

// MaxNamed bounds the devices that a summary names.
const MaxNamed = 10

// Cooling are devices that should run a version and get it only once they have waited after a
// failed attempt at it. A retry of their update ends the wait.
type Cooling struct {
	Devices int
	AtLeast bool         // there may be more than Devices
	Until   time.Time    // when the last of them has waited
	First   []CoolingOne // those that have waited first; at most MaxNamed
}

// CoolingOne is one device and when it has waited.
type CoolingOne struct {
	Device DeviceID
	Until  time.Time
}

// Note adds a device.
func (c *Cooling) Note(one CoolingOne) {
	c.Add(Cooling{Devices: 1, Until: one.Until, First: []CoolingOne{one}})
}

// Add adds other devices.
func (c *Cooling) Add(other Cooling) {
	c.Devices += other.Devices
	c.AtLeast = c.AtLeast || other.AtLeast
	if other.Until.After(c.Until) {
		c.Until = other.Until
	}
	c.First = append(c.First, other.First...)
	slices.SortStableFunc(c.First, func(a, b CoolingOne) int { return a.Until.Compare(b.Until) })
	c.First = c.First[:min(len(c.First), MaxNamed)]
}
