// Package grant divides limits of an installation among the servers that share its store.
//
// Each server, a node, has a grant of each limit and never uses more than it. The grants of all nodes are
// one hash. A node changes its own only if no other has changed since it read them, so that the grants of a
// limit are never more than the limit, whenever they are read. What a node may use, it uses without asking.
//
// A node takes as much of a limit as it wants, but not more than its share of what all want, nor than the
// others have left. It gives back what it doesn't use: first it lowers its own bound, and then its grant.
// A node that may be dead to others has none.
package grant
