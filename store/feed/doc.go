// Package feed keeps the index equal to the device records: it reads them all, corrects the index after
// outages, and follows what other processes write, which they note in a feed per bucket in the step
// that writes the record (docs/adr/0042). It does the same for catalogs: a tag of each is next to the
// records, so that a save sees in its own step whether what it was decided by is the newest.
package feed
