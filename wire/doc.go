// Package wire is the device protocol, version 1: its topics, its messages and their CBOR
// encoding, its limits and its reason codes (docs/protocol.md). It hides CBOR: no other
// package encodes or decodes it.
//
// An update, from the first message of a connection to its confirmation:
//
//	device                                          server
//	Hello: runs 7, takes chunks of 4 KiB     ──▶
//	                                         ◀──    Welcome: the target is 8
//	                                         ◀──    Offer: version 8, its size and digest
//	                                         ◀──    Chunk 0 to 7: a window, without a request
//	Want: chunks 8 to 15                     ──▶
//	                                         ◀──    Chunk 8 to 15, and so on to the last
//	Report stored: the digest is right       ──▶
//	Report applying (acknowledged)           ──▶
//	     restarts into 8, connects again
//	Hello: runs 8, last update confirmed     ──▶
//	                                         ◀──    Welcome: the target is 8
//
// Only the Hello that runs the target's version confirms an update. After a lost connection
// it begins again with Hello, in which the device names the chunks it holds; the Offer
// continues there. A Stop ends an update from the server's side, a Report failed from the
// device's. Messages, Alerts and commands with their results go at any time. A gateway
// carries all of it for BLE devices, on their own topics, once it has attached them.
//
// A decoder never keeps the bytes it is given unless its doc comment says so, allocates no
// more than they are long, and returns a *Refusal for what breaks a limit. Everything here
// may be used concurrently.
package wire
