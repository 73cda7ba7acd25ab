package release

import (
	"fmt"

	"github.com/muster-iot/muster/fleet"
)

// label gives f, if it has no version, the one that its image states, and compares the two
// otherwise: devices usually report what the image states, and then no update to a wrong
// label is ever confirmed (docs/adr/0022). It leaves f.Forced set only where that was
// necessary.
func label(f *fleet.Firmware) error {
	forced, stated := f.Forced, f.Metadata.StatedVersion()
	f.Forced = false
	switch {
	case f.Version.IsZero() && !stated.Valid():
		return fleet.FieldErrorf("version", "the version is missing: %s", unstated(f.Metadata))
	case f.Version.IsZero():
		f.Version = stated
	case f.Metadata.Fits(f.Version):
	case !forced:
		return fleet.FieldErrorf("version", "the image states version %s, not %s: upload it as %s, build it as %s, or force the version if devices report %s all the same",
			spelled(f.Metadata), f.Version, stated, f.Version, f.Version)
	default:
		f.Forced = true
	}
	return nil
}

// unstated is why m states no version.
func unstated(m fleet.Metadata) string {
	switch {
	case m.Format == fleet.Opaque:
		return "the image is not in a format that states one (ESP-IDF, MCUboot, UF2)"
	case m.Version == "":
		return fmt.Sprintf("the image (%s) states none", m.Format)
	}
	return fmt.Sprintf("the image states %q, which is neither a whole number such as 7 nor a semantic version such as 1.4.0", m.Version)
}

// spelled is the version that m states, and how the image spells it where that differs.
func spelled(m fleet.Metadata) string {
	stated := m.StatedVersion().String()
	if m.Version == stated {
		return stated
	}
	return fmt.Sprintf("%s (%q)", stated, m.Version)
}
