// Package session leads each connected device from its connection through the handshake to its
// updates.
//
// The packages that it calls know nothing of each other: here is the only place where a
// handshake is followed by an update (DESIGN.md).
package session
