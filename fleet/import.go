package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Import adds devices to a product. Groups are names; one that does not exist is created.
type Import struct {
	Product ProductID
	Devices []NewDevice
	Groups  []string // of all devices
	Gateway DeviceID // makes the devices BLE devices attached to this gateway; "": devices of their own
}

// NewDevice is a device to import.
type NewDevice struct {
	ID          string // as sent; an invalid one is an outcome, not an error
	Name, Notes string
	Groups      []string // in addition to those of the Import
	Product     string   // slug or number; "": that of the Import
	Secret      Secret   // that it has already; zero: a new one is generated
}

// NewDevices returns devices to import that have nothing but ids.
func NewDevices(ids ...string) []NewDevice {
	devices := make([]NewDevice, len(ids))
	for i, id := range ids {
		devices[i].ID = id
	}
	return devices
}

// Check checks everything but the id. Errors are Invalid and name the field.
func (d *NewDevice) Check() error {
	if err := CheckText("name", d.Name, MaxName); err != nil {
		return err
	}
	if err := CheckText("notes", d.Notes, MaxNotes); err != nil {
		return err
	}
	for _, name := range d.Groups {
		if _, err := ParseGroupName(name); err != nil {
			return FieldErrorf("groups", "%s", err)
		}
	}
	return nil
}

// Imported is the outcome of each id of an Import.
type Imported struct {
	Updated   []DeviceID          // new in the product
	Existing  []DeviceID          // in the product already; unchanged
	Nonmember []DeviceID          // belong to another product
	Invalid   []string            // not a device id
	Secrets   map[DeviceID]string // generated for the new ones; never shown again
	Users     map[DeviceID]string // the user names of new ones that can't use their id as one: as many older devices of other teams have it
}

// ImportPreview is what an Import would do. Its outcomes are as of now.
type ImportPreview struct {
	Imported                 // without secrets
	NewGroups []string       // that it would create
	Targets   []VersionCount // devices by the version they would receive at their first handshake, highest first
}

// Bounds of an imported secret, in bytes. A secret has at least 128 random bits, because one
// fast hash of it is stored (docs/protocol.md, "Credentials").
const (
	MinSecret = 16
	MaxSecret = 256
)

// HashSecret returns the hash of a secret that a device has already, as its record keeps it.
// Errors are Invalid and don't contain it.
func HashSecret(text string) (Secret, error) {
	if len(text) < MinSecret || len(text) > MaxSecret || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return Secret{}, FieldErrorf("secret", "a secret is %d to %d bytes of printable text", MinSecret, MaxSecret)
	}
	return sha256.Sum256([]byte(text)), nil
}

// ParseSecretHash reads the SHA-256 of a secret that a device has already, as hexadecimal digits.
// Errors are Invalid.
func ParseSecretHash(text string) (hash Secret, err error) {
	decoded, err := hex.DecodeString(text)
	if err != nil || len(decoded) != len(hash) {
		return hash, FieldErrorf("secret_sha256", "the SHA-256 of a secret is %d hexadecimal digits", hex.EncodedLen(len(hash)))
	}
	copy(hash[:], decoded)
	if hash == (Secret{}) {
		return hash, FieldErrorf("secret_sha256", "this is not a SHA-256 of a secret: it is all zeros")
	}
	return hash, nil
}
