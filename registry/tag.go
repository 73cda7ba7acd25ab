package registry

import "github.com/muster-iot/muster/fleet"

// tagOf changes whenever an operator changes what actor sees of d. What the device itself
// says does not count, nor do groups that actor can't see.
func tagOf(actor fleet.Actor, d *fleet.Device) string {
	return fleet.TagOf(d.Name, d.Notes, seen(actor, d.Groups), d.Lock.String(), d.Development, d.Force, d.Disabled, d.Gateway)
}
