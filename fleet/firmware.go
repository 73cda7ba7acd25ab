package fleet

import "time"

// Product is a kind of device that shares firmware.
type Product struct {
	ID           ProductID
	Team         TeamID
	Slug         string // unique in the installation
	Name         string
	Description  string
	Created      time.Time
	Roaming      bool // its BLE devices may move between gateways by themselves
	AutoRegister int  // unknown BLE devices a gateway may add; 0: none
}

// Firmware is one immutable image of a product. Only title and description change.
type Firmware struct {
	Product     ProductID
	Version     Version
	Title       string
	Description string
	File        string // name it was uploaded under
	Size        int64  // bytes
	Digest      Digest
	Uploaded    time.Time
	By          string    // user name
	Released    bool      // it was released at some time: it can't be deleted any more
	Ran         time.Time // a device first said, in a handshake, that it runs it; zero: none ever did
}

// Catalog is all that decides what a product's devices should run: its firmware and
// where each version is released, at one revision. It is shared by many readers and
// never modified.
type Catalog struct {
	Product  Product
	Revision uint64              // grows with each change of anything below or of Product
	Default  Version             // zero: no product default
	Groups   map[GroupID]Version // one release per group
	Firmware map[string]Firmware // by Version.Key
}

// Find returns the firmware of version v; any spelling of v will do.
func (c *Catalog) Find(v Version) (Firmware, bool) {
	f, ok := c.Firmware[v.Key()]
	return f, ok && v.Valid()
}

// MovedGroups are the groups whose release is another one in after, in order.
func (c *Catalog) MovedGroups(after *Catalog) []GroupID {
	var groups []GroupID
	for g, v := range after.Groups {
		if c.Groups[g] != v {
			groups = append(groups, g)
		}
	}
	for g := range c.Groups {
		if _, stays := after.Groups[g]; !stays {
			groups = append(groups, g)
		}
	}
	return SortGroups(groups)
}
