package handshake

import (
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestTheDigestDecidesWhatADeviceRuns(t *testing.T) {
	v := fleet.WholeVersion
	c := &fleet.Catalog{Product: fleet.Product{Slug: "widget"}, Default: v(5), Firmware: map[string]fleet.Firmware{}}
	for version, digest := range map[uint32]byte{3: 3, 4: 4, 5: 7, 6: 7} { // 5 and 6 have the same bytes
		c.Firmware[v(version).Key()] = fleet.Firmware{Version: v(version), Digest: fleet.Digest{digest}}
	}
	for _, row := range []struct {
		name    string
		version uint32
		digest  byte // 0: not reported
		product string
		lock    uint32
		runs    string
		label   string
		proven  bool
		differs bool
	}{
		{name: "the version's bytes", version: 3, digest: 3, product: "widget", runs: "3", proven: true},
		{name: "no digest", version: 3, runs: "3"},
		{name: "other bytes than the version's", version: 3, digest: 9, runs: "3 (other bytes)", differs: true},
		{name: "the bytes of another version", version: 3, digest: 4, runs: "4", label: "3", proven: true},
		{name: "the bytes of a version, under a label that was never uploaded", version: 8, digest: 4, runs: "4", label: "8", proven: true},
		{name: "unknown bytes and label", version: 8, digest: 9, runs: "8"},
		{name: "bytes of two versions, and one of their labels", version: 6, digest: 7, runs: "6", proven: true},
		{name: "bytes of two versions: the target's", version: 3, digest: 7, runs: "5", label: "3", proven: true},
		{name: "bytes of two versions, neither the target: the highest", version: 3, digest: 7, lock: 4, runs: "6", label: "3", proven: true},
		{name: "another product's firmware", version: 3, digest: 4, product: "gadget", runs: "3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := hello(row.version)
			h.Product = row.product
			h.Digest[0] = row.digest
			d := fleet.Device{Label: v(1), Proven: !row.proven, Differs: !row.differs}
			if row.lock != 0 {
				d.Lock = v(row.lock)
			}
			identify(&d, h, c)
			if d.Running.String() != row.runs || d.Label.String() != row.label || d.Proven != row.proven || d.Differs != row.differs {
				t.Errorf("got runs %q, label %q, proven %v, differs %v; want %q, %q, %v, %v",
					d.Running, d.Label, d.Proven, d.Differs, row.runs, row.label, row.proven, row.differs)
			}
		})
	}
}
