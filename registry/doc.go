// Package registry is what operators do to teams, users, tokens, products, devices and
// groups, and what they send to devices.
//
// It hides passwords and tokens, the visibility of each object behind one question to
// fleet.May, and the order of a write: ask, change, record in the audit log, tell the
// live side. Firmware, releases and updates are the ota room's.
package registry
