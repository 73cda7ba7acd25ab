package store

import (
	"maps"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// catalogKind is a product's catalog as a document. Its fields are "product", "default",
// "g:<group>" (the version released to the group) and "f:<version key>" (a firmware).
var catalogKind = kind[fleet.Catalog]{
	name:  "product",
	clone: cloneCatalog,
	fields: func(c *fleet.Catalog) map[string]string {
		fields := make(map[string]string, 2+len(c.Groups)+len(c.Firmware))
		fields["product"] = packProduct(&c.Product)
		if !c.Default.IsZero() {
			fields["default"] = c.Default.String()
		}
		for g, v := range c.Groups {
			fields["g:"+g.String()] = v.String()
		}
		for key, f := range c.Firmware {
			fields["f:"+key] = packFirmware(&f)
		}
		return fields
	},
	parse:    parseCatalog,
	revision: func(c *fleet.Catalog) *uint64 { return &c.Revision },
}

// cloneCatalog copies all that a change of a catalog may touch.
func cloneCatalog(c *fleet.Catalog) *fleet.Catalog {
	n := *c
	n.Groups = maps.Clone(c.Groups)
	n.Firmware = maps.Clone(c.Firmware)
	if n.Groups == nil {
		n.Groups = map[fleet.GroupID]fleet.Version{}
	}
	if n.Firmware == nil {
		n.Firmware = map[string]fleet.Firmware{}
	}
	return &n
}

func parseCatalog(fields map[string]string) (*fleet.Catalog, error) {
	c := cloneCatalog(&fleet.Catalog{})
	for field, value := range fields {
		var err error
		switch prefix, rest, _ := strings.Cut(field, ":"); prefix {
		case "product":
			c.Product, err = unpackProduct(value)
		case "default":
			c.Default = fleet.ReportedVersion(value)
		case "g":
			var id uint64
			id, err = strconv.ParseUint(rest, 10, 32)
			c.Groups[fleet.GroupID(id)] = fleet.ReportedVersion(value)
		case "f":
			c.Firmware[rest], err = unpackFirmware(value)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

func packProduct(p *fleet.Product) string {
	var w packer
	w.number(1, uint64(p.ID))
	w.number(2, uint64(p.Team))
	w.text(3, p.Slug)
	w.text(4, p.Name)
	w.text(5, p.Description)
	w.time(6, p.Created)
	w.flag(7, p.Roaming)
	w.number(8, uint64(p.AutoRegister))
	return w.String()
}

func unpackProduct(record string) (p fleet.Product, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			p.ID = fleet.ProductID(v.number())
		case 2:
			p.Team = fleet.TeamID(v.number())
		case 3:
			p.Slug = string(v)
		case 4:
			p.Name = string(v)
		case 5:
			p.Description = string(v)
		case 6:
			p.Created = v.time()
		case 7:
			p.Roaming = v.number() == 1
		case 8:
			p.AutoRegister = int(v.number())
		}
	})
	return p, err
}

func packFirmware(f *fleet.Firmware) string {
	var w packer
	w.number(1, uint64(f.Product))
	w.version(2, f.Version)
	w.text(3, f.Title)
	w.text(4, f.Description)
	w.text(5, f.File)
	w.number(6, uint64(f.Size))
	if f.Digest != (fleet.Digest{}) {
		w.bytes(7, f.Digest[:])
	}
	w.time(8, f.Uploaded)
	w.text(9, f.By)
	w.flag(10, f.Released)
	w.time(11, f.Ran)
	return w.String()
}

func unpackFirmware(record string) (f fleet.Firmware, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			f.Product = fleet.ProductID(v.number())
		case 2:
			f.Version = v.version()
		case 3:
			f.Title = string(v)
		case 4:
			f.Description = string(v)
		case 5:
			f.File = string(v)
		case 6:
			f.Size = int64(v.number())
		case 7:
			copy(f.Digest[:], v)
		case 8:
			f.Uploaded = v.time()
		case 9:
			f.By = string(v)
		case 10:
			f.Released = v.number() == 1
		case 11:
			f.Ran = v.time()
		}
	})
	return f, err
}
