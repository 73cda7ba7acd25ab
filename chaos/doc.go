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
//	server.go   the server, its redis-server, and what is done to them
//	clock.go    a server whose wall clock can be stepped; stepped.go.txt is what is compiled into it
//	link.go     connections that are cut after a number of bytes
//	reporter.go devices that note which of their messages were acknowledged
//
// and for several servers
//
//	cluster.go       the servers, the Cluster and the balancer
//	clusterfaults.go the table of what breaks
//	clusterjudge.go  what all servers must agree on
//	wires.go         what is between a server and Redis, and can be cut
//	probe.go         devices that show by what each server decides, and which masters are there
//	sessions.go      the number of each session never falls
//
// A seed decides the order of acts and faults, not the moment at which they meet: run a
// failing seed several times. Everything of a round, with the server's log, stays in its
// folder when the round fails.
package main
