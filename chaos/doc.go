// Command chaos runs a fleet through releases, locks, group edits, stops and commands while it
// breaks things, and judges what is left: go run ./chaos, or make chaos. With -cluster, or make
// chaos-cluster, the fleet is on three servers that share a Redis Cluster, behind HAProxy.
//
//	round.go    one round: a new server and fleet, a time of acts and faults, peace, the verdict
//	storm.go    acts and faults, side by side
//	acts.go     the table of what operators do
//	faults.go   the table of what breaks
//	oracle.go   what must be true afterwards, by rules written a second time
//	judge.go    compares it with what the server, the devices and the reporters say
//	recorded.go what was acknowledged is listed
//	server.go   the server, its redis-server, and what is done to them
//
// and for several servers
//
//	cluster.go       the servers, the Cluster and the balancer
//	clusterfaults.go the table of what breaks
//	clusterjudge.go  what all servers must agree on
//	probe.go         devices that show by what each server decides, and how soon what was done to them acts
//	masters.go       how masters die, and what that does to the devices of the others
//
// A seed decides the order of acts and faults, not the moment at which they meet: run a
// failing seed several times. Everything of a round, with the server's log, stays in its
// folder when the round fails.
package main
