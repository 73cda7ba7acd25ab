package fleet

import (
	"strings"
	"time"
)

// MaxSkip bounds DeviceQuery.Skip, in rows. To reach further, use a cursor.
const MaxSkip = 10_000

// MaxSearchedNotes is how much of a device's notes a search finds, in bytes.
const MaxSearchedNotes = 256

// DeviceQuery selects devices of one team that Actor sees. Zero fields select everything.
type DeviceQuery struct {
	Actor       Actor
	Product     ProductID  // 0: all products
	Groups      []GroupID  // in any of these
	NoGroup     bool       // in no group that Actor sees
	IDs         []DeviceID // one of these
	Text        string     // the id, the name or the first MaxSearchedNotes bytes of the notes contain this, ignoring case
	IDPart      string     // the id contains this, ignoring case
	NamePart    string     // the name contains this, ignoring case
	NamePrefix  string     // the name begins with this, ignoring case
	Version     Version    // runs this
	NoVersion   bool       // has never reported what it runs
	Gateway     DeviceID   // attached to this gateway
	Kinds       []DeviceKind
	Online      *bool
	Development *bool
	Locked      *bool
	Silent      time.Time     // offline since a handshake before this; zero: any
	Facts       []Fact        // reported all of these
	Updates     []UpdateState // the last update is in one of these
	UpdateTo    Version       // and moves to this, or to a stepping stone to this
	Where       Where         // holds
	Sort        DeviceSort
	Descending  bool
	After       string // cursor of the page before, "" for the first
	Skip        int    // rows to skip after the cursor, at most MaxSkip
	Limit       int    // rows, 1 to 100
}

// Fact is something that a device reported about itself, apart from what Muster acts on.
type Fact struct {
	Path  string // "modem", or "modem.imei" for a fact within another
	Value string // a text, or a number or truth value as JSON has it; compared ignoring case
}

// MaxQueryFacts is how many facts one query may name.
const MaxQueryFacts = 8

// ParseFact parses PATH=VALUE.
func ParseFact(text string) (Fact, error) {
	path, value, found := strings.Cut(text, "=")
	if !found || path == "" || value == "" {
		return Fact{}, Errorf(Invalid, "fact %.80q: write it as NAME=VALUE, for example modem=nRF9160", text)
	}
	return Fact{path, value}, nil
}

// Where is a condition on devices. Holds may look at what Index.Count gives with these splits; nil:
// any device.
type Where struct {
	Holds  func(*IndexEntry) bool
	Splits []Split
}

// DeviceSort is the order of a list of devices; the id breaks ties.
type DeviceSort uint8

// The orders.
const (
	ByID DeviceSort = iota
	ByName
	ByVersion
	ByLastHandshake
)

// DevicePage is one page of a list.
type DevicePage struct {
	IDs   []DeviceID
	Next  string // cursor of the next page, "" on the last
	Total int    // devices the query selects in all
}

// IndexEntry is what the index holds of a device, for lists, counts and impact. Groups is
// shared and never modified.
type IndexEntry struct {
	ID            DeviceID
	Product       ProductID
	Kind          DeviceKind
	Gateway       DeviceID
	Name          string
	Groups        []GroupID
	Running       Version
	Hardware      string
	Zone          string
	MaxImage      uint64
	Lock          Version
	Development   bool
	UpdatesOn     bool
	Force         bool
	Disabled      bool
	Online        bool
	Update        UpdateState // of the last update
	UpdateTo      Version
	UpdateTarget  Version    // the same, or the target to which UpdateTo is a stepping stone
	Release       ReleaseID  // of the last update
	Reason        ReasonCode // of the last update
	Held          bool
	Spent         int // attempts spent on the current target
	AttemptsFor   Version
	AttemptsSince uint64 // revision of the catalog, as in Attempts; 0 where none was spent or held
	LastHandshake time.Time
}

// MovesTo reports whether the last update moves the device to v, or to a stepping stone to v
// that it has not installed yet.
func (e *IndexEntry) MovesTo(v Version) bool {
	return e.UpdateTarget.Equal(v) && (e.Update != Confirmed || e.UpdateTo.Equal(v))
}

// UpdateQuery selects the newest update of each device of a product.
type UpdateQuery struct {
	Actor   Actor
	Product ProductID
	Device  DeviceID // "" for all
	States  []UpdateState
	Version Version // moves to this, or to a stepping stone to this
	After   string
	Limit   int // 1 to 100
}

// MessageQuery selects messages of one team, newest first unless Ascending.
type MessageQuery struct {
	Team      TeamID
	Device    DeviceID  // "" for all
	Topic     string    // "" for all
	Part      string    // the topic or the device id contains this, ignoring case
	App       string    // the payload is JSON with this appId; "" for all
	From, To  time.Time // From inclusive, To exclusive; zero: open
	Ascending bool
	After     string
	Limit     int // 1 to 100
}
