package handshake

import (
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/precedence"
	"github.com/muster-iot/muster/wire"
)

// identity is what a device ran by an earlier Hello.
type identity struct {
	running, label fleet.Version
	differs        bool
}

func identityOf(d *fleet.Device) identity { return identity{d.Running, d.Label, d.Differs} }

// identify sets what d runs, by Hello h: the image of c with the digest that it reports, whatever
// it calls it. Other bytes than those of a version are not that version. Without a digest, and for
// a version that is not in c, its label is all there is (docs/rules.md, "When it happens", 7).
func identify(d *fleet.Device, h wire.Hello, c *fleet.Catalog) {
	d.Running, d.Label, d.Proven, d.Differs, d.Foreign = h.Version, fleet.Version{}, false, false, ""
	if h.Product != "" && h.Product != c.Product.Slug {
		d.Foreign = h.Product
		return
	}
	if h.Digest == (fleet.Digest{}) {
		return
	}
	labelled, known := c.Find(h.Version)
	if known && labelled.Digest == h.Digest {
		d.Proven = true
		return
	}
	if v := holder(d, c, h.Digest); !v.IsZero() {
		d.Running, d.Label, d.Proven = v, h.Version, true
		return
	}
	if known {
		d.Running, d.Differs = h.Version.WithOtherBytes(), true
	}
}

// holder is the version whose image has this digest, zero for none. Of several it is the one
// that d is to run, or else the highest.
func holder(d *fleet.Device, c *fleet.Catalog, digest fleet.Digest) (version fleet.Version) {
	target, _, _ := precedence.Decide(precedence.Of(d), c)
	for _, f := range c.Firmware {
		switch {
		case f.Digest != digest:
		case f.Version.Equal(target) || d.Update.State.Running() && f.Version.Equal(d.Update.To):
			return f.Version
		case f.Version.Compare(version) > 0:
			version = f.Version
		}
	}
	return version
}
