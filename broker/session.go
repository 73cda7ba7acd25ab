package broker

import (
	"context"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Cloud decides which devices may connect.
type Cloud interface {
	// Admit is called once per CONNECT, on the connection's own goroutine, before
	// anything is written. It may block. An error refuses the connection: Disabled with
	// 5 / 0x8A, Busy and Unavailable with 3 / 0x89, every other with 5 / 0x87.
	// Password is overwritten when Admit returns.
	Admit(ctx context.Context, c Connect) (Session, error)
}

// Connect is a device's request to connect.
type Connect struct {
	ID       fleet.DeviceID // the client id, without a team
	User     string
	Password []byte
	Address  string // IP without port
	Link     *Link  // what is sent before CONNACK goes out right after it
}

// Session is one admitted connection, as the cloud sees it. Its methods but Gateway are
// called one at a time, on the connection's own goroutine.
type Session interface {
	// ID returns the device, with its team. It has the id of CONNECT.
	ID() fleet.DeviceID

	// Begin is called when the device's older connection has ended and its Gone has
	// returned; CONNACK goes out next. It is not called where CONNACK refuses: the older
	// connection would not end, or a newer one came. It must not send more than 32 KiB.
	Begin()

	// Rival is called before Begin when connections of this device, or of two that use its
	// id, keep ending each other. address is that of the other one, an IP without port.
	Rival(address string)

	// Gateway reports whether the device may also use the topics of BLE devices.
	Gateway() bool

	// Receive takes what the device published to one of its topics, or its will; both
	// Name of t and payload may be kept. The device's next packet is read when it
	// returns. nil acknowledges QoS 1. An error ends the connection, in MQTT 5 with a
	// reason by its kind, and acknowledges nothing.
	Receive(ctx context.Context, t wire.Topic, payload []byte) error

	// Gone is called exactly once for every Session that Admit returned, when the
	// connection has ended and nothing is written to it any more. code is what it ended with: a
	// reason code of MQTT 5 (§2.4), 0x00 after a DISCONNECT of the device, or Lost.
	Gone(code byte)
}

// Lost is what a connection ended with that broke without a DISCONNECT. It is not an MQTT code.
const Lost byte = 0xFF
