package rollout

import (
	"math"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/index"
	"github.com/muster-iot/muster/ota/precedence"
)

const (
	maxSpread   = 1000    // devices of a stage that is spread; larger ones are like the fleet by themselves
	tries       = 64      // salts that are compared
	fewTries    = 16      // the same, where each takes longer
	manyDevices = 100_000 // from here on
)

// kind is what devices of a small stage should differ in.
type kind struct {
	hardware, running string
	device            fleet.DeviceKind
}

// Spread chooses the salt of r, one of c's releases that begins: of several, the one whose first devices
// are most like all that r reaches, where its plan prefers that. A salt places all devices, so nothing
// has to be remembered about them, and the same fleet gives the same salt. Errors: fleet.Unavailable until the index is
// built.
func Spread(x *index.Index, c *fleet.Catalog, r *fleet.Release) error {
	if !r.Plan.Spread {
		return nil
	}
	reaches := precedence.Reaches(c, r)
	may := func(e *fleet.IndexEntry) bool { return !e.Disabled && reaches(precedence.OfEntry(e)) }
	all, total := map[kind]int{}, 0
	err := x.Count(everyone(c), c.Product.ID, c.Splits(), func(e *fleet.IndexEntry, devices int) {
		if may(e) {
			all[kindOf(e)] += devices
			total += devices
		}
	})
	if err != nil {
		return err
	}
	n := r.Plan.Stages[0].Devices
	if n == 0 {
		n = (total*int(r.Plan.Stages[0].Share) + int(fleet.Whole) - 1) / int(fleet.Whole)
	}
	if n == 0 || n > maxSpread || n >= total {
		return nil
	}
	most := uint64(tries)
	if total > manyDevices {
		most = fewTries
	}
	first, best := r.Salt, math.Inf(1)
	for try := range most {
		salt := first | try<<56 // above any product's id
		devices, _, err := x.Lowest(everyone(c), c.Product.ID, salt, n, may)
		if err != nil {
			return err
		}
		if off := unlike(x, devices, all, total); off < best {
			best, r.Salt = off, salt
		}
	}
	return nil
}

func kindOf(e *fleet.IndexEntry) kind { return kind{e.Hardware, e.Running.String(), e.Kind} }

// unlike is how much devices differ from the total of all: by kinds that have too many or too few, most
// by kinds that are missing, and by devices that share a gateway.
func unlike(x *index.Index, devices []fleet.DeviceID, all map[kind]int, total int) (off float64) {
	have, gateways := map[kind]int{}, map[fleet.DeviceID]bool{}
	for _, id := range devices {
		e, err := x.Entry(id)
		if err != nil {
			continue // deleted meanwhile
		}
		have[kindOf(&e)]++
		if e.Gateway != "" {
			if gateways[e.Gateway] {
				off++
			}
			gateways[e.Gateway] = true
		}
	}
	for k, count := range all {
		want := float64(count) * float64(len(devices)) / float64(total)
		off += math.Abs(float64(have[k]) - want)
		if have[k] == 0 {
			off += math.Min(want, 1) * float64(len(devices)) // a kind of which nobody is there
		}
	}
	return off
}
