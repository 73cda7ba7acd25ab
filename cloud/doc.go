// Package cloud puts the rooms together into one running server. It hides which rooms
// there are and in what order a device passes through them: New opens the store and the
// listeners, Run serves until its context ends.
//
// The conductor (conductor.go, session.go) is the only place that says "handshake first,
// then OTA"; every room it calls knows nothing of the others.
package cloud
