package fleet

import (
	"slices"
	"time"
)

// DeviceKind is how a device reaches the server.
type DeviceKind uint8

// The kinds of device.
const (
	Generic DeviceKind = iota // its own connection
	Gateway                   // its own connection, and relays for attached BLE devices
	BLE                       // reached through one gateway
)

// String returns nRF Cloud's word for the kind.
func (k DeviceKind) String() string { return [...]string{"Generic", "Gateway", "BLE"}[k] }

// Secret is the SHA-256 of a device's secret, 256 random bits: a fast hash suffices. The zero value matches none.
type Secret [32]byte

// Device is the record of one device; every index is derived from it. Copies share Groups
// and Facts, which are replaced and never modified.
type Device struct {
	ID      DeviceID
	Team    TeamID
	Product ProductID
	Kind    DeviceKind
	Gateway DeviceID // of a BLE device: the gateway it is attached to, "" when detached

	// What operators decide.
	Name        string
	Notes       string
	Groups      []GroupID // sorted, no duplicates
	Secret      Secret
	Disabled    bool
	Development bool
	Lock        Version // zero: not locked
	Force       bool    // updates are sent although it reported "not now"
	Flash       Version // sent once at the next decision, whatever the rules are; zero: none

	// What the device reports.
	Running   Version // by its last Hello: the version of its digest, else of its label; zero before the first
	Label     Version // what it calls Running, where its digest shows another version; else zero
	Proven    bool    // its digest is that of Running's image; false: by version only
	Hardware  string
	Zone      string // its IANA time zone, "" when not known
	Foreign   string // slug of another product that its firmware is for; "": its own, or not said
	MaxImage  uint64 // bytes it can store, 0 when not said
	UpdatesOn bool   // it accepts updates; false is "not now"
	Differs   bool   // its last Hello had another digest than Running was uploaded with
	Facts     []byte // CBOR map, at most 1 KiB
	Boot      uint64 // nonce of its last Hello, 0 when it sends none
	Earlier   Boots  // nonces of the boots before

	// What follows from both.
	Session       uint64 // number of its newest session, see Supersede; what older sessions write is rejected
	Update        Update // the running or the last one; zero when there was none
	Attempts      Attempts
	LastCommand   uint32 // number of the newest command queued
	Pending       uint32 // commands not done yet
	Address       string // of its last connection, without port
	Created       time.Time
	LastHandshake time.Time
	LastHeard     time.Time
	Namesakes     int // set by its creation: the older devices of other teams with its id

	Revision uint64   // grows with each write; a write with an old one is a Conflict
	Base     Base     // the state in the store that the next write replaces; a copy of another state must keep it
	OldFacts string   // earlier values of Facts, packed by package devicelog
	Contacts string   // its last connections, packed by package devicelog
	Later    []string // what a later release has written into the record, by package store/record

	// Where its newest session is, if several servers share the store; else zero.
	Node      string // that holds it; "": none does
	Connected uint64 // when its connection began, µs
}

// Base is what package store needs of the state of a record, at its Revision, that a write replaces.
type Base struct {
	Written string // names the write that made it: after a fail-over of Redis another state may have its revision
	Node    string // that held the device: a write has to wake it
	Fields  uint64 // which fields it has, by package store/record
}

// Supersede gives d the number of a new session. It is the time in µs, if that is higher than the
// last number, so that it is not given twice when Redis loses the write that gave it.
func (d *Device) Supersede() {
	d.Session = max(d.Session+1, uint64(max(time.Now().UnixMicro(), 0)))
}

// Boots are the nonces of a device's last boots, newest first, each once; 0 means none. More are
// forgotten: what a device stored that long ago does not arrive any more.
type Boots [4]uint64

// Has reports whether boot is one of b.
func (b Boots) Has(boot uint64) bool { return boot != 0 && slices.Contains(b[:], boot) }

// InAnyOf reports whether d is in one of groups.
func (d *Device) InAnyOf(groups []GroupID) bool { return shares(d.Groups, groups) }

func shares(a, b []GroupID) bool {
	return slices.ContainsFunc(a, func(g GroupID) bool { return slices.Contains(b, g) })
}
