package fleet

import "strings"

// Roaming is which gateways may attach a product's BLE devices (docs/rules.md#gateways).
type Roaming uint8

// A gateway may always attach a device that has no group or shares one with it.
const (
	RoamingNone   Roaming = iota // but not while another gateway has it
	RoamingGroups                // also while another gateway has it
	RoamingTeam                  // and any other device of the team
)

var roamingNames = [...]string{"none", "groups", "team"}

// String returns the name that ParseRoaming reads.
func (r Roaming) String() string {
	if int(r) >= len(roamingNames) {
		return roamingNames[RoamingNone]
	}
	return roamingNames[r]
}

// ParseRoaming reads none, groups or team; otherwise it returns Invalid.
func ParseRoaming(s string) (Roaming, error) {
	for i, name := range roamingNames {
		if s == name {
			return Roaming(i), nil
		}
	}
	return 0, FieldErrorf("roaming", "roaming is %.40q: use %s", s, strings.Join(roamingNames[:], ", "))
}

// MayAttach reports whether gateway may attach ble, of the same team and of a product with
// roaming, by itself. Whether ble may leave another gateway is a question of roaming alone.
func MayAttach(gateway, ble *Device, roaming Roaming) bool {
	return ble.Gateway == gateway.ID || len(ble.Groups) == 0 || roaming == RoamingTeam || shares(gateway.Groups, ble.Groups)
}

// Reattach attaches d to gateway, "" for none. What the session through the old gateway still
// writes is rejected.
func (d *Device) Reattach(gateway DeviceID) {
	d.Gateway = gateway
	d.Supersede()
}
