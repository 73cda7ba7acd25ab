// Package peers passes what happens at one server on to those that share its store: events to those where
// somebody listens, how far downloads are to those where somebody looks, how devices fare and which updates ended
// to those that judge releases, and failed sign-ins to all. All of it is a hint that may be lost: no record depends on it, and a listener
// receives event.Missed for what it missed.
package peers
