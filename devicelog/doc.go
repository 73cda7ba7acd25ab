// Package devicelog packs what a device's record keeps of its past: its last connections, and the
// last values of its facts. Both are bounded, so that a record stays small: handshakes read and
// write it whole.
package devicelog
