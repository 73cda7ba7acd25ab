// Package handshake lets devices in: it checks who connects, and writes what a Hello says
// into the device's record together with what was decided from it, in one conditional
// write. It hides the proof of identity, the limits on guessing it, and the race between
// a handshake and everything else that changes a device or its product.
package handshake
