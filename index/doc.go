// Package index answers lists, filters and counts of devices from memory.
//
// It keeps about 270 bytes per device, ids and names included. Devices that don't differ in
// what filters and rules look at form one class, so a question is asked once per class. Each
// order of a list is kept too: a page is a walk from its cursor. The index is derived from the
// device records, which are the truth; store feeds it.
package index
