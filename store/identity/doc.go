// Package identity keeps a process from a Redis that is not its own.
//
// A store has a name, the id, which is kept in Redis and in the data folder: an emptied Redis,
// one that was replaced, or one of another installation is recognized, and nothing is read from
// it or written to it (docs/adr/0016). One process at a time holds the lease of a store, which
// it renews every two seconds; the epoch counts the holders. The renewals are counted too, so
// that data which is older than what this process has seen is noticed. In a Cluster each part of
// the slots has the id and such a count of its own (docs/adr/0029).
package identity
