package broker

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/muster-iot/muster/fleet"
)

// Reason codes of MQTT 5 (§2.4). They name the ends of connections in Stats too, also
// those of MQTT 3.1.1 connections, which do not receive them.
const (
	codeNone               byte = 0x00
	codeUnspecified        byte = 0x80
	codeMalformed          byte = 0x81
	codeProtocol           byte = 0x82
	codeVersion            byte = 0x84
	codeClientID           byte = 0x85
	codeNotAuthorized      byte = 0x87
	codeUnavailable        byte = 0x88 // CONNACK only
	codeBusy               byte = 0x89
	codeBanned             byte = 0x8A // CONNACK only
	codeShuttingDown       byte = 0x8B // DISCONNECT only
	codeAuthMethod         byte = 0x8C
	codeKeepAlive          byte = 0x8D
	codeTakenOver          byte = 0x8E
	codeFilterInvalid      byte = 0x8F
	codeTopicInvalid       byte = 0x90
	codePacketTooLarge     byte = 0x95
	codeQuota              byte = 0x97
	codeAdministrative     byte = 0x98
	codePayloadInvalid     byte = 0x99
	codeRetain             byte = 0x9A
	codeQoS                byte = 0x9B
	codeUseAnother         byte = 0x9C
	codeSharedSubscription byte = 0x9E
	codeSubscriptionID     byte = 0xA1
)

// Return codes of an MQTT 3.1.1 CONNACK (§3.2.2.3).
const (
	returnVersion       byte = 1
	returnClientID      byte = 2
	returnUnavailable   byte = 3
	returnNotAuthorized byte = 5
)

// shown is a code as it is logged: in hexadecimal, like in the standard.
type shown byte

// LogValue implements slog.LogValuer.
func (c shown) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("0x%02x", byte(c))) }

// refusalText names, for the log, why a CONNECT was refused before its proof was checked.
func refusalText(code byte) string {
	switch code {
	case codeMalformed, codeProtocol:
		return "malformed CONNECT"
	case codeVersion:
		return "neither MQTT 3.1.1 nor 5"
	case codeAuthMethod:
		return "authentication methods are not supported"
	case codeTopicInvalid:
		return "its will is not one of its own messages"
	case codePacketTooLarge:
		return "its will is too large"
	case codeQoS:
		return "its will has QoS 2"
	case codeRetain:
		return "its will is retained"
	case codeBusy:
		return "no room for another connection"
	}
	return "not accepted"
}

// connackCode is the CONNACK code for an error of Admit (docs/protocol.md,
// "Connection"): an unauthenticated peer learns nothing about why.
func connackCode(err error) byte {
	switch {
	case errors.Is(err, fleet.Disabled):
		return codeBanned
	case errors.Is(err, fleet.Unauthenticated), errors.Is(err, fleet.Denied), errors.Is(err, fleet.NotFound):
		return codeNotAuthorized
	}
	return codeBusy // whatever failed, it was not the peer: many clients give up when they are not authorized
}

// returnCode is the MQTT 3.1.1 return code for an MQTT 5 reason.
func returnCode(code byte) byte {
	switch code {
	case codeVersion:
		return returnVersion
	case codeClientID:
		return returnClientID
	case codeUnavailable, codeBusy:
		return returnUnavailable
	}
	return returnNotAuthorized
}

var disconnectCodes = []struct {
	kind fleet.Kind
	code byte
}{
	{fleet.Invalid, codePayloadInvalid},
	{fleet.TooLarge, codePacketTooLarge},
	{fleet.Busy, codeQuota},
	{fleet.NoSpace, codeQuota},
	{fleet.Unavailable, codeBusy}, // 0x88 may not stand in a DISCONNECT (MQTT 5 §3.14.2.1)
	{fleet.Conflict, codeTakenOver},
	{fleet.Denied, codeNotAuthorized},
	{fleet.Unauthenticated, codeNotAuthorized},
	{fleet.Disabled, codeAdministrative},
	{fleet.NotFound, codeAdministrative},
}

// disconnectCode is the DISCONNECT code for an error.
func disconnectCode(err error) byte {
	for _, row := range disconnectCodes {
		if errors.Is(err, row.kind) {
			return row.code
		}
	}
	return codeUnspecified
}
