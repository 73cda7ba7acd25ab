// Package notify notifies people and programs of what happens in their team: by webhook and by mail,
// at once and as a digest.
//
// Everything that is notified of is an alert, which the store adds to the team's news in the step
// that raises it. A worker turns news into notifications, one or more per channel, and delivers
// each at least once: what was stored survives the end of the process. How many alerts one
// notification gathers, how often it is tried and what it says is hidden here.
package notify
