package store

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/record"
)

// catalogKind keeps a product's catalog. Its fields are "product", "default",
// "g:<group>" (the version released to the group) and "f:<version key>" (a firmware).
var catalogKind = kind[fleet.Catalog]{
	name:  "product",
	clone: cloneCatalog,
	fields: func(h *hash, c *fleet.Catalog) {
		one(h, "product", record.Product, &c.Product)
		one(h, "default", versionText{}, &c.Default)
		numbered(h, "g:", versionText{}, c.Groups)
		named(h, "f:", record.Firmware, c.Firmware)
	},
	revision: func(c *fleet.Catalog) *uint64 { return &c.Revision },
}

// cloneCatalog copies everything that a change of a catalog may touch.
func cloneCatalog(c *fleet.Catalog) *fleet.Catalog {
	n := *c
	n.Groups, n.Firmware = copied(c.Groups), copied(c.Firmware)
	return &n
}
