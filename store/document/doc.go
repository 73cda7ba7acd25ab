// Package document keeps documents in Redis: hashes with a revision that are changed as a whole.
//
// A change is a compare-and-set on the revision; only the fields that differ are written. The
// last known state of each document stays in memory. Values handed out are shared: they must
// not be modified.
package document
