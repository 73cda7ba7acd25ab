package store

import (
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/retention"
	"github.com/muster-iot/muster/store/stream"
)

// Every key of the store is built here. The part in braces is the tag: keys of one
// script share it, so that Redis Cluster keeps them on one node.

func deviceKey(id fleet.DeviceID) string  { return "d:{" + string(id) + "}" } // hash: the record
func historyKey(id fleet.DeviceID) string { return "h:{" + string(id) + "}" } // list: past updates, newest first
func outboxKey(id fleet.DeviceID) string  { return "o:{" + string(id) + "}" } // hash: c<n> command, n<n> nonce of its queuing, r<n> its result

const deviceKeys = "d:{*}" // the pattern that finds every device record

// deviceOfKey is the inverse of deviceKey.
func deviceOfKey(key string) fleet.DeviceID {
	return fleet.DeviceID(strings.TrimSuffix(strings.TrimPrefix(key, "d:{"), "}"))
}

func productKey(id fleet.ProductID) string { return "p:{" + id.String() + "}" } // document: the catalog
func teamKey(id fleet.TeamID) string       { return "t:{" + id.String() + "}" } // document: team, members, groups, products
func userKey(id fleet.UserID) string       { return "u:{" + id.String() + "}" } // document: user, their teams and tokens

func (c *core) messagesKey(id fleet.TeamID) stream.Key {
	return streamKey("m", id, c.keep.Messages, c.keep.Age)
}

func (c *core) auditKey(id fleet.TeamID) stream.Key {
	return streamKey("l", id, c.keep.Audit, c.keep.AuditAge)
}

// signInsKey is the stream of the audit log's entries about sign-ins and tokens. Its ids have
// high sequence numbers, so that no two entries of the log have one cursor.
func (c *core) signInsKey(id fleet.TeamID) stream.Key {
	k := streamKey("n", id, c.keep.SignIns, c.keep.SignInAge)
	k.First = 1 << 40
	return k
}

func streamKey(kind string, id fleet.TeamID, share retention.Share, age time.Duration) stream.Key {
	tag := ":{" + id.String() + "}"
	return stream.Key{
		Entries: kind + tag, Steps: kind + "s" + tag, Order: kind + "o" + tag, Sizes: kind + "z" + tag, Share: share, Age: age,
	}
}

func alertsKey(id fleet.TeamID) string     { return "a:{" + id.String() + "}" }  // hash: alert id -> alert; x<id> where archived; o<id> -> device
func alertOrderKey(id fleet.TeamID) string { return "ao:{" + id.String() + "}" } // sorted set: alert ids, all of score 0

// alertShareKeys are the sorted sets of what alerts which device has (retention's shares.lua).
func alertShareKeys(id fleet.TeamID) (order, sizes string) {
	return "aw:{" + id.String() + "}", "az:{" + id.String() + "}"
}

func repeatsKey(id fleet.TeamID) string     { return "i:{" + id.String() + "}" }  // hash: id -> outcome of a request
func repeatOrderKey(id fleet.TeamID) string { return "io:{" + id.String() + "}" } // sorted set: ids by when they expire

func tokenKey(id string) string    { return "k:{" + id + "}" }    // string: the token
func emailKey(email string) string { return "e:{" + email + "}" } // string: the user id that owns the email
func slugKey(slug string) string   { return "s:{" + slug + "}" }  // string: the product id that owns the slug

const journalKey = "j:{journal}" // hash: id -> what was begun

const teamsKey = "all:{teams}" // set: every team id

// counterKey counts the ids of one kind: team, user, product, group.
func counterKey(kind string) string { return "n:{" + kind + "}" }
