package fleet

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// TeamID numbers a team within the installation; 0 means none.
type TeamID uint32

// UserID numbers a user within the installation; 0 is nobody.
type UserID uint32

// ProductID numbers a product within the installation; 0 means none.
type ProductID uint32

// GroupID numbers a group within the installation. It outlives a rename of the group.
type GroupID uint32

func (id TeamID) String() string    { return strconv.FormatUint(uint64(id), 10) }
func (id UserID) String() string    { return strconv.FormatUint(uint64(id), 10) }
func (id ProductID) String() string { return strconv.FormatUint(uint64(id), 10) }
func (id GroupID) String() string   { return strconv.FormatUint(uint64(id), 10) }

// DeviceID identifies one device. What people and devices write is the id alone, which is unique in
// its team; In adds the team, and from then on the DeviceID is unique in the installation. Texts of a
// DeviceID have the id alone.
type DeviceID string

// In returns the device of a team with the id of id; "" stays "".
func (id DeviceID) In(team TeamID) DeviceID {
	alone := id.String()
	if alone == "" || team == 0 {
		return DeviceID(alone)
	}
	return DeviceID(team.String() + "/" + alone) // what keys of the store have: "/" is in no id
}

// DeviceNamed returns the device that people call text, without its team. A text that is not an id names
// no device: what it has of a team is not taken for one.
func DeviceNamed(text string) DeviceID { return DeviceID(strings.ReplaceAll(text, "/", "\u2215")) }

// DevicesIn returns ids, each In team; nil for nil.
func DevicesIn(team TeamID, ids []DeviceID) []DeviceID {
	ids = slices.Clone(ids)
	for i, id := range ids {
		ids[i] = id.In(team)
	}
	return ids
}

// Team returns the team of a device, 0 for an id alone.
func (id DeviceID) Team() TeamID {
	team, _, found := strings.Cut(string(id), "/")
	n, err := strconv.ParseUint(team, 10, 32)
	if err != nil || !found {
		return 0
	}
	return TeamID(n)
}

// String returns the id alone: the MQTT client id.
func (id DeviceID) String() string { return string(id[strings.IndexByte(string(id), '/')+1:]) }

// WithTeam returns the user name that names a device and its team (docs/protocol.md, "Credentials").
func (id DeviceID) WithTeam() string { return id.String() + "@" + id.Team().String() }

// MarshalText returns the id alone. encoding/json does not call it for the keys of a map.
func (id DeviceID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MostNamesakes is how many devices with one id a connection that names no team can be.
const MostNamesakes = 4

// MaxDeviceID is the longest device id, in bytes.
const MaxDeviceID = 128

// ParseDeviceID accepts 1 to 128 of `A-Z a-z 0-9 : _ -`, the alphabet of nRF Cloud.
// It rejects "events" and "tags", which are path elements of the REST API. Errors are
// Invalid.
func ParseDeviceID(s string) (DeviceID, error) {
	if s == "" || len(s) > MaxDeviceID || !every(s, func(c byte) bool {
		return alphanumeric(c) || c == ':' || c == '_' || c == '-'
	}) {
		return "", Errorf(Invalid, "device id %.140q: use 1 to 128 of A-Z a-z 0-9 : _ -", s)
	}
	if s == "events" || s == "tags" {
		return "", Errorf(Invalid, "device id %q is reserved: choose another", s)
	}
	return DeviceID(s), nil
}

// MaxGroupName is the longest group name, in characters.
const MaxGroupName = 64

// ParseGroupName accepts 1 to 64 letters and digits of any script and `_ . @ : # -`. Errors are
// Invalid. Names that differ in case only are the same name: GroupKey.
func ParseGroupName(s string) (string, error) {
	outside := func(c rune) bool {
		return c == utf8.RuneError || !unicode.In(c, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("_.@:#-", c)
	}
	if s == "" || utf8.RuneCountInString(s) > MaxGroupName || strings.ContainsFunc(s, outside) {
		return "", Errorf(Invalid, "group name %.80q: use 1 to %d letters, digits and _ . @ : # - without white space", s, MaxGroupName)
	}
	return s, nil
}

// GroupKey returns the same text for all spellings of a group's name that count as one: it folds
// case and composes accented letters.
func GroupKey(name string) string {
	if every(name, func(c byte) bool { return c < utf8.RuneSelf }) {
		return strings.ToLower(name)
	}
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(name)))
}

// MaxSlug is the longest product slug, in bytes.
const MaxSlug = 64

// ParseSlug accepts 1 to 64 of `a-z 0-9 -` with at least one letter, so that a slug is
// never mistaken for a product id. Errors are Invalid.
func ParseSlug(s string) (string, error) {
	letter := false
	ok := s != "" && len(s) <= MaxSlug && every(s, func(c byte) bool {
		letter = letter || 'a' <= c && c <= 'z'
		return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
	})
	if !ok || !letter {
		return "", Errorf(Invalid, "slug %.80q: use 1 to 64 of a-z 0-9 - with at least one letter", s)
	}
	return s, nil
}

// UpdateID identifies one update: 16 random bytes. The zero id means none.
type UpdateID [16]byte

// NewUpdateID returns a random update id.
func NewUpdateID() (id UpdateID) {
	_, _ = rand.Read(id[:]) // crypto/rand never fails since Go 1.24
	return id
}

func (id UpdateID) String() string { return hex.EncodeToString(id[:]) }

// Digest is the SHA-256 of an image.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Image identifies an image in the device protocol: the first 8 bytes of its digest.
type Image [8]byte

// Image returns the first 8 bytes of d.
func (d Digest) Image() Image { return Image(d[:8]) }

func (i Image) String() string { return hex.EncodeToString(i[:]) }

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func every(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
