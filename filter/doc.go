// Package filter is the filters of the list of devices, as the query of an address spells them: what
// they select, and those that a team saved under a name.
package filter
