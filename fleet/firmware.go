package fleet

import (
	"slices"
	"time"
)

// Product is a kind of device that shares firmware.
type Product struct {
	ID           ProductID
	Team         TeamID
	Slug         string // unique in its team
	Name         string
	Description  string
	Created      time.Time
	Roaming      Roaming
	AutoRegister int // unknown BLE devices that each gateway may register; 0: none
}

// Firmware is one immutable image of a product. Only title and description change.
type Firmware struct {
	Product     ProductID
	Version     Version
	Title       string
	Description string
	Notes       string // for those who install it, as free text
	File        string // name of the uploaded file
	Size        int64  // bytes
	Digest      Digest
	Uploaded    time.Time
	By          string    // user name
	WasReleased bool      // it was ever released, so it can't be deleted
	Ran         time.Time // when a device first reported in a handshake that it runs this; zero: never
	Forced      bool      // its version is not the one that the image states, and the uploader insisted
	Metadata    Metadata  // what the image states about itself

	// Which devices can take it.
	Hardware []string // revisions that it is for, never modified; none: all
	Requires Range    // versions it can be installed over
	Floor    uint32   // security counter: a device that runs it takes no firmware with a lower one

	Object string // name of the image in the bucket; "" if it is in the data folder
}

// Suits reports whether f is for hardware of this revision, which is "" if not known.
func (f *Firmware) Suits(revision string) bool {
	return len(f.Hardware) == 0 || slices.Contains(f.Hardware, revision)
}

// Catalog is what decides what a product's devices should run: its firmware, and where each
// version is released, at one revision. It is shared by many readers and never modified.
type Catalog struct {
	Product  Product
	Revision uint64              // grows with each change of anything below or of Product
	Default  Version             // zero: no product default
	Groups   map[GroupID]Version // one release per group; with a plan, the version it leads to
	Firmware map[string]Firmware // by Version.Key
	Moves    []Move              // the last changes of Default and Groups, oldest first

	Staged map[GroupID]Release   // the releases with a plan that are under way, by target; 0: the product default
	Ended  map[ReleaseID]Release // the last of those that ended

	Immediate Immediate // what the edit that is being made gives devices at once; not stored
}

// Immediate is which of the devices that are online, and do not run what they should, are re-evaluated at
// once: those that should run Version, or those that a release with a plan concerns. Zero: none.
type Immediate struct {
	Version Version
	Release ReleaseID
}

// Find returns the firmware of version v, however v is spelled.
func (c *Catalog) Find(v Version) (Firmware, bool) {
	f, ok := c.Firmware[v.Key()]
	return f, ok && v.Valid()
}
