// Package wire is the device protocol, version 1: its topics, its messages and their
// CBOR encoding, its limits and its reason codes (docs/protocol.md). It hides CBOR: no
// other package encodes or decodes it.
//
// A decoder never keeps the bytes it is given unless its doc comment says so, allocates
// no more than they are long, and refuses what breaks a limit with a *Refusal.
package wire
