// Package activity publishes what happens to devices: as events, counts, messages and alerts. It
// hides who listens, and how far a listener may fall behind.
package activity
