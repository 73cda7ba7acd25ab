// Package console is the operator's web pages: the fleet in a browser, rendered on the
// server and embedded in the binary.
//
// It hides HTML, sessions in cookies and what a browser is allowed to load. It adds no
// rule of its own: every page asks registry and ota as the one who is signed in, and
// fleet.May only to leave out what they would refuse.
package console
