// Package console is the operator's web pages: the fleet in a browser, rendered on the
// server and embedded in the binary.
//
// It hides HTML, sessions in cookies and what a browser is allowed to load. It adds no rules:
// every page calls accounts, registry and ota/release as the user who is signed in, and uses
// fleet.May only to leave out what they would deny.
package console
