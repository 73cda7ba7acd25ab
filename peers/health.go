package peers

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// What a device did, of topicHealth.
const (
	signHandshake = "h"
	signConfirmed = "c"
	signAlert     = "a"
)

// Handshake passes on a handshake of a device; confirmed: it confirmed an update.
func (p *Peers) Handshake(product fleet.ProductID, device fleet.DeviceID, confirmed bool) {
	kind := signHandshake
	if confirmed {
		kind = signConfirmed
	}
	p.send(product, kind, device)
}

// Alert passes on that a device of product raised an alert.
func (p *Peers) Alert(product fleet.ProductID, device fleet.DeviceID) {
	p.send(product, signAlert, device)
}

func (p *Peers) send(product fleet.ProductID, kind string, device fleet.DeviceID) {
	if p.Relay == nil { // without a text for each handshake
		return
	}
	p.Relay.Send(topicHealth+product.String(), func() []byte { return fmt.Appendf(nil, "%s %s %s", kind, device.Team(), device) })
}

func (p *Peers) sign(product, text string) error {
	id, err := number[fleet.ProductID](product)
	if err != nil {
		return err
	}
	words := append(strings.Fields(text), "", "", "")
	team, err := number[fleet.TeamID](words[1])
	if err != nil {
		return err
	}
	switch device := fleet.DeviceID(words[2]).In(team); words[0] {
	case signHandshake, signConfirmed:
		p.Greeted(id, device, words[0] == signConfirmed)
	case signAlert:
		p.Alerted(device)
	default:
		return fmt.Errorf("a sign of kind %.40q", words[0])
	}
	return nil
}

// UpdateEnded passes on that an update of a product's device ended.
func (p *Peers) UpdateEnded(team fleet.TeamID, product fleet.ProductID, state fleet.UpdateState) {
	p.Relay.Send(topicEnded, func() []byte { return fmt.Appendf(nil, "%s %s %s", team, product, state) })
}

func (p *Peers) ended(text string) error {
	words := append(strings.Fields(text), "", "", "")
	team, err := number[fleet.TeamID](words[0])
	if err != nil {
		return err
	}
	product, err := number[fleet.ProductID](words[1])
	if err != nil {
		return err
	}
	state, err := fleet.ParseUpdateState(words[2])
	if err != nil {
		return err
	}
	p.Ended(team, product, state)
	return nil
}

func number[N ~uint32](text string) (N, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	return N(n), err //nolint:gosec // 32 bits were parsed
}
