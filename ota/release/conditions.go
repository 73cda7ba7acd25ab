package release

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// MaxHardware is how many hardware revisions a firmware may be for.
const MaxHardware = 32

// revisions checks hardware revisions as an operator names them.
func revisions(hardware []string) error {
	if len(hardware) > MaxHardware {
		return fleet.FieldErrorf("hardware", "at most %d revisions", MaxHardware)
	}
	for _, revision := range hardware {
		if revision == "" || len(revision) > wire.MaxWord || !utf8.ValidString(revision) || strings.ContainsFunc(revision, notInRevision) {
			return fleet.FieldErrorf("hardware", "revision %.70q: use 1 to %d bytes without commas, as devices report it in Hello", revision, wire.MaxWord)
		}
	}
	return nil
}

func notInRevision(r rune) bool { return r == ',' || unicode.IsControl(r) }

// floor gives f the security counter that its image states. One that is given differs from it
// only in images that state none.
func floor(f *fleet.Firmware) error {
	stated := f.Metadata.Counter
	switch {
	case f.Floor == 0:
		f.Floor = stated
	case stated != 0 && f.Floor != stated:
		return fleet.FieldErrorf("floor", "the image states security counter %d, not %d: leave the floor out", stated, f.Floor)
	}
	return nil
}

// conditions adds to an entry of the audit log which devices can take f, where not all can.
func conditions(f fleet.Firmware, fields audit.Fields) audit.Fields {
	if len(f.Hardware) > 0 {
		fields["hardware"] = f.Hardware
	}
	if !f.Requires.IsAll() {
		fields["requires"] = f.Requires.String()
	}
	if f.Floor > 0 {
		fields["floor"] = f.Floor
	}
	return fields
}
