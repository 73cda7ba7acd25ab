// Package history is what fleets did over time: devices by version, connected devices, handshakes
// and failures of every product, and how the devices of each release with a plan stood.
//
// Up to 64 groups of a product have a past of their own, sampled once a minute: those with the most
// devices when there was room. It ends when the group is deleted, or when another group needs the room
// and this one has no devices.
//
// One process samples, the one that holds the store's lease; any process may read. Counters are
// added up in Redis, so processes without an index can add theirs. All of it is in store/timeline,
// which says how much room it takes.
//
// A sample says how a fleet stood since the sample before, for so many seconds by the monotonic
// clock. So averages and rates are right however long a sample took, and a step of the machine's
// clock only moves where on the axis of time it is shown (docs/adr/0035).
package history
