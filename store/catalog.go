package store

import (
	"slices"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/record"
)

// catalogKind keeps a product's catalog. Its fields are "product", "default",
// "g:<group>" (the version released to the group), "moves", "f:<version key>" (a firmware),
// "s:<group>" (a release with a plan; 0: the default's) and "e:<id>" (one that ended).
var catalogKind = document.Kind[fleet.Catalog]{
	Name:  "product",
	Clone: cloneCatalog,
	Fields: func(h *document.Hash, c *fleet.Catalog) {
		document.One(h, "product", record.Product, &c.Product)
		document.One(h, "default", document.VersionText{}, &c.Default)
		document.Numbered(h, "g:", document.VersionText{}, c.Groups)
		document.One(h, "moves", record.Moves, &c.Moves)
		document.Named(h, "f:", record.Firmware, c.Firmware)
		document.Numbered(h, "s:", record.Release, c.Staged)
		document.Numbered(h, "e:", record.Release, c.Ended)
	},
	Revision: func(c *fleet.Catalog) *uint64 { return &c.Revision },
}

// cloneCatalog copies everything that a change of a catalog may touch.
func cloneCatalog(c *fleet.Catalog) *fleet.Catalog {
	n := *c
	n.Groups, n.Firmware, n.Moves = copied(c.Groups), copied(c.Firmware), slices.Clip(c.Moves)
	n.Staged, n.Ended = copied(c.Staged), copied(c.Ended)
	n.Immediate = fleet.Immediate{}
	return &n
}
