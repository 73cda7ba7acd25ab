// Package cloud composes one running server and leads each device through it: from its
// connection through the handshake to its updates. New opens the store and the listeners,
// Run serves until its context ends.
//
// The packages that cloud calls know nothing of each other: sessions.go and session.go are
// the only place where a handshake is followed by an update (DESIGN.md).
package cloud
