// Package release is what operators do about firmware: they upload images, release versions
// to groups or as product default, see beforehand what a change would do, follow updates,
// stop and retry them, and ask why a device runs what it runs.
//
// Every function takes an actor and asks fleet.May. It returns fleet.NotFound for what the
// actor can't see, fleet.Denied for what they may not do, and fleet.Unavailable when the
// store does not answer. Changes are written to the audit log and announced as events.
package release
