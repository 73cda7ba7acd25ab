// Package store keeps the fleet in Redis: devices, catalogs, teams and messages.
//
// It hides Redis completely; DESIGN.md says how. The truth of a device is one hash whose key
// follows from the device id alone, so one read admits it. Every write of it is a
// compare-and-set on its revision, in a script that recognizes its own retry. Products, teams
// and users are documents. The store builds the index (package index) from the device records
// at start and feeds it every write.
//
// What acknowledged means: a write that returned nil is in the append-only file and synced when
// Serve runs the server; in Redis memory, and as durable as that server is configured, with
// Open; gone at exit with Ephemeral.
package store
