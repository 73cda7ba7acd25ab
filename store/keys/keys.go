// Package keys spells every key of the store, and no other package does. The part in braces is the
// tag: keys of one script share it, so that one master of a Redis Cluster holds them.
package keys

import (
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Layout is the number of this arrangement of keys. A store has its own in the hash Store; none
// means 1, the first one, in which the id of a device was its tag (docs/adr/0034). In layout 2 ids were
// unique in the installation (docs/adr/0040).
const Layout = 3

// Servers that share a store write records, feeds and wakes of format Format, and read those from OldestFormat
// on. A new field of a hash needs no new format: older releases keep it. One of a packed value is lost when
// they change that value; if that is wrong, or if they would misread something, the number is raised.
const (
	Format       = 1
	OldestFormat = 1
)

var (
	records   = perBucket("d")
	histories = perBucket("h")
	outboxes  = perBucket("o")
	holders   = perBucket("y")
)

// Device is a hash: the record. An id without a team has none, as with History and Outbox.
func Device(id fleet.DeviceID) string { return records.of(id) }

// History is a list: past updates, newest first.
func History(id fleet.DeviceID) string { return histories.of(id) }

// Outbox is a hash: c<n> is a command, n<n> the nonce of its queuing, r<n> its result.
func Outbox(id fleet.DeviceID) string { return outboxes.of(id) }

// Name is a device in values of the store, with its team; fleet.DeviceID(name) is the device.
func Name(id fleet.DeviceID) string { return string(id) }

// Holders is a sorted set: the teams that have a device with the id of id, by when they got it. It is
// in the slot of their records.
func Holders(id fleet.DeviceID) string { return holders[Bucket(id)] + id.String() }

// Around are what the key of a device with the id of id has before and after the number of its team.
func Around(id fleet.DeviceID) (before, after string) {
	return records[Bucket(id)], "/" + id.String()
}

// Devices is the pattern that finds every device record.
const Devices = "d:{*}:*"

// DeviceOf returns the device that a key of Devices belongs to.
func DeviceOf(key string) fleet.DeviceID {
	_, id, _ := strings.Cut(key, "}:")
	return fleet.DeviceID(id)
}

// Product is a document: the catalog.
func Product(id fleet.ProductID) string { return "p:{p" + id.String() + "}" }

// Team is a document: the team, its members, groups and products.
func Team(id fleet.TeamID) string { return "t:{t" + id.String() + "}" }

// User is a document: the user, their teams and tokens.
func User(id fleet.UserID) string { return "u:{u" + id.String() + "}" }

// StreamKeys are the keys of one stream of records.
type StreamKeys struct {
	Entries string // the stream
	Steps   string // hash: where the clock went back
	Order   string // sorted set: what belongs to whom, as in retention's shares.lua
	Sizes   string // sorted set: how much everybody has
}

// Names are the names of all keys.
func (s StreamKeys) Names() []string { return []string{s.Entries, s.Steps, s.Order, s.Sizes} }

// Messages are what a team's devices sent.
func Messages(team fleet.TeamID) StreamKeys { return ofTeam("m", team) }

// Audit is a team's audit log, without SignIns.
func Audit(team fleet.TeamID) StreamKeys { return ofTeam("l", team) }

// AuditHead is the end of a team's chain of audit entries: chain.Link of the last one.
func AuditHead(team fleet.TeamID) string { return "lh:{t" + team.String() + "}" }

// SignIns are the entries of the audit log about sign-ins and tokens.
func SignIns(team fleet.TeamID) StreamKeys { return ofTeam("n", team) }

func ofTeam(kind string, team fleet.TeamID) StreamKeys {
	tag := ":{t" + team.String() + "}"
	return StreamKeys{Entries: kind + tag, Steps: kind + "s" + tag, Order: kind + "o" + tag, Sizes: kind + "z" + tag}
}

// Alerts is a hash: an alert's id -> the alert; x<id> where it is archived; o<id> -> its device.
func Alerts(team fleet.TeamID) string { return "a:{t" + team.String() + "}" }

// AlertOrder is a sorted set: the ids of alerts, all of score 0.
func AlertOrder(team fleet.TeamID) string { return "ao:{t" + team.String() + "}" }

// AlertShares are the sorted sets of which device has which alerts (retention's shares.lua).
func AlertShares(team fleet.TeamID) (order, sizes string) {
	return "aw:{t" + team.String() + "}", "az:{t" + team.String() + "}"
}

// Repeats is a hash: an id -> the outcome of a request.
func Repeats(team fleet.TeamID) string { return "i:{t" + team.String() + "}" }

// RepeatOrder is a sorted set: the ids of Repeats by when they expire.
func RepeatOrder(team fleet.TeamID) string { return "io:{t" + team.String() + "}" }

// Jobs is a document: the jobs of a team.
func Jobs(team fleet.TeamID) string { return "jb:{t" + team.String() + "}" }

// JobDevices is a hash: a number -> a part of the devices that a job is about. It exists until the job is over.
func JobDevices(team fleet.TeamID, number uint32) string {
	return "jd:{t" + team.String() + "}:" + strconv.FormatUint(uint64(number), 10)
}

// JobTroubles is a hash: a job's number -> devices that it skipped or could not do.
func JobTroubles(team fleet.TeamID) string { return "jt:{t" + team.String() + "}" }

// Filters is a document: the filters that a team saved.
func Filters(team fleet.TeamID) string { return "df:{t" + team.String() + "}" }

// Workbench are the keys of a team's jobs and filters that outlive a job.
func Workbench(team fleet.TeamID) []string {
	return []string{Jobs(team), JobTroubles(team), Filters(team)}
}

// Tiers is how many tiers a Timeline has.
const Tiers = 4

// Timeline are the keys of what is kept of a product, or of its devices in one group, over time
// (store/timeline).
type Timeline struct {
	Writers string        // hash: a process -> its last write
	Marks   string        // list; of a product
	Paces   string        // hash: a release -> the seconds between two points of its curve; of a product
	Tiers   [Tiers]string // lists of buckets
}

// TimelineOf returns the keys of a timeline; group 0: of all devices of the product.
func TimelineOf(product fleet.ProductID, group fleet.GroupID) Timeline {
	tag := ":{p" + product.String() + "}"
	if group != 0 {
		tag += ":" + group.String()
	}
	return Timeline{Writers: "yw" + tag, Marks: "ym" + tag, Paces: "yp" + tag, Tiers: [...]string{"y0" + tag, "y1" + tag, "y2" + tag, "y3" + tag}}
}

// TimelineGroups is a set: the groups of a product that have a timeline.
func TimelineGroups(product fleet.ProductID) string { return "yg:{p" + product.String() + "}" }

// Names are the names of all keys.
func (t Timeline) Names() []string {
	return append([]string{t.Writers, t.Marks, t.Paces}, t.Tiers[:]...)
}

// Curve is a list: how the devices of a release stood over time.
func Curve(product fleet.ProductID, release fleet.ReleaseID) string {
	return "yc:{p" + product.String() + "}:" + release.String()
}

// Token is a string: the token.
func Token(id string) string { return "k:{" + id + "}" }

// Email is a string: the ids of the users that have the email, separated by commas, oldest first.
func Email(email string) string { return "e:{" + email + "}" }

// Slug is a string: the id of the product of a team that owns the slug.
func Slug(team fleet.TeamID, slug string) string { return "s:{t" + team.String() + "}:" + slug }

// Counter counts the ids of one kind: team, user, product, group.
func Counter(kind string) string { return "n:{" + kind + "}" }

// What there is one of.
const (
	Journal  = "j:{journal}"    // hash: id -> what was begun
	Teams    = "all:{teams}"    // set: every team id
	Store    = "id:{store}"     // hash: id, layout, term, beat (renewals), place (of the holder)
	Lease    = "lease:{store}"  // string: the holder; expires
	Nodes    = "nodes:{store}"  // hash: a node -> its beats and its role
	Leases   = "leases:{store}" // hash: what must run once -> the node that does it
	Grants   = "grants:{store}" // hash: a node -> what it has of the limits of all; version
	OpenJobs = "jj:{jobs}"      // hash: id -> a job that is not over
)
