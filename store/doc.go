// Package store keeps the fleet in Redis: devices, catalogs, teams and messages.
//
// It hides Redis completely: keys, the encoding of records, scripts, batching, retries,
// the server process `serve` runs for itself and the in-process one of `--ephemeral`.
//
// The truth of a device is one hash whose tag is computed from the device id alone, so
// one read admits it. Every write of it is a compare-and-set on its revision, in a
// script that recognises its own retry. Reads and writes of all callers go through two
// goroutines that make one trip of what waits (group commit): with an append-only file
// synced always, 256 writes cost one fsync. The store builds the index (package index) from
// the device records at start and feeds it every write.
//
// What acknowledged means: a write that returned nil is in the append-only file and
// synced when Serve runs the server; in Redis memory, and as durable as that server is
// configured, with Open; gone at exit with Ephemeral.
package store
