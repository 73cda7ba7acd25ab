// Package node is the servers that share a store, each a node: which of them are alive, and which of
// them does what must run once.
//
// Nodes meet in Redis only. Each raises a counter there every second. A node whose counter another
// one has seen standing still for 10 s is dead to that one; a node that could not raise its own for
// 8 s writes nothing until it can.
package node
