// Package quota bounds what one team, and one user, may have of what all teams share: devices,
// images, connections, event streams and uploads. It hides how that is counted, and which team
// makes room for another.
//
// What is kept is counted from its records each time, so that no deletion, move or restart makes a
// count wrong. Of what is in use at a moment, each team can have its share: the capacity divided by
// the teams that use any of it. A team may use more while nobody needs it.
package quota
