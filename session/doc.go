// Package session leads each connected device from its connection through the handshake to its
// updates. It hides how the evaluations of one device are kept in order, how devices behind a
// gateway share its connection, and what is done for a device later.
//
// The packages that it calls are independent of each other: here is the only place where a
// handshake is followed by an update (DESIGN.md).
package session
