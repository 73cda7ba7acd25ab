// Package handshake authenticates devices and accepts their Hellos: it writes what a Hello
// reports into the device's record together with what was decided from it, in one conditional
// write. It hides the proof of identity, the limits on guessing it, and the races between
// a handshake and everything else that changes a device or its product.
package handshake
