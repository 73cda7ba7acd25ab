package keys

import "github.com/muster-iot/muster/fleet"

// Channels is a hash: a channel's id -> the channel, "settings" -> settings. It exists if somebody wants to
// be notified.
func Channels(team fleet.TeamID) string { return "xc:{t" + team.String() + "}" }

// News is a sorted set: the ids of alerts that are in no notification yet, all of score 0.
func News(team fleet.TeamID) string { return "xn:{t" + team.String() + "}" }

// Notices is a hash: an id -> the notification.
func Notices(team fleet.TeamID) string { return "xr:{t" + team.String() + "}" }

// NoticeOrder is a sorted set: the ids of Notices by creation, in ms.
func NoticeOrder(team fleet.TeamID) string { return "xo:{t" + team.String() + "}" }

// NoticeQueue is a sorted set: the ids of Notices to be delivered by when they are due, in ms.
func NoticeQueue(team fleet.TeamID) string { return "xq:{t" + team.String() + "}" }

// Digests is a hash: a channel's id -> the day of its last digest.
func Digests(team fleet.TeamID) string { return "xm:{t" + team.String() + "}" }

// Notifications are all keys about a team's notifications.
func Notifications(team fleet.TeamID) []string {
	return []string{Channels(team), News(team), Notices(team), NoticeOrder(team), NoticeQueue(team), Digests(team)}
}
