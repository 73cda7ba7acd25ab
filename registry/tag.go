package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/muster-iot/muster/fleet"
)

// tagOf changes whenever an operator changes what actor sees of d. What the device itself
// says does not count, nor do groups that actor can't see.
func tagOf(actor fleet.Actor, d *fleet.Device) string {
	state, _ := json.Marshal([]any{ // strings, booleans and numbers always can be
		d.Name, d.Notes, seen(actor, d.Groups), d.Lock.String(), d.Development, d.Force, d.Disabled, d.Gateway,
	})
	sum := sha256.Sum256(state)
	return hex.EncodeToString(sum[:8])
}
