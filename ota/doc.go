// Package ota moves devices to the firmware they should run: it decides what a device gets
// at each occasion, offers it, answers its Wants, follows its Reports, and ends updates
// that make no progress. It hides the life of an update with its attempts, and the limit
// on how many transfer at once. DESIGN.md has the states and the order of locks.
//
// Which version a device should run is decided in precedence, images and chunks are in
// image, and what operators do about firmware is in release.
package ota
