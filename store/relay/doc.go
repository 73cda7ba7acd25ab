// Package relay passes news from one node to the others that subscribe to it: lossy, but no loss is silent.
//
// A node lists the topics it subscribes to in a hash that the others read with their beat. What one of them sends
// about such a topic is gathered for a moment and added to a list of that node, which takes it from there. While
// nobody subscribes to a topic, nothing is written and nothing is read.
//
// News that were lost, for whatever reason, are reported per topic: batches are numbered, a node that begins
// to subscribe hears if something was sent just before, and so does one that could not read its list.
package relay
