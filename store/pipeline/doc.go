// Package pipeline sends the commands of all callers to Redis in shared round trips.
//
// Redis is one server, the master that Sentinels name, or the masters of a Cluster. Reads and
// writes have a goroutine each, per master. While one trip is in progress, callers wait; the next
// trip carries all of them (group commit): with an append-only file that is synced on every
// write, 256 writes cost one fsync. Outside of a Cluster, a trip of writes is one MULTI.
//
// Trips that fail because of the connection or of a state of Redis that passes are made again,
// so an operation may be carried out twice: scripts recognize their own retry by a nonce. Redis
// may be away for 5 seconds before operations fail as fleet.Unavailable. In a Cluster, an
// operation whose key another master holds is sent there (docs/adr/0028).
//
// A new connection is used once Redis has the scripts and a Guard has recognized it; after a
// failure the guard looks again before the next trip.
package pipeline
