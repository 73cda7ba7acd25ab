// Package ota moves devices to the firmware they should run: it takes images in, decides
// what a device gets at each occasion, offers it, answers its Wants, follows its Reports,
// and carries out releases and what operators ask about them. It hides how images are
// kept and cached, the life of an update with its attempts, and the limit on how many run
// at once.
//
// The device side is Decide, Start, Want, Report, Gone, Halt and Run; the operator side
// is everything that takes a fleet.Actor.
package ota
