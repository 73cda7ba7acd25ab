package fleet

import "strings"

// ImageFormat is a format of firmware images that state something about themselves.
type ImageFormat string

// The formats. Opaque is any other image, and one uploaded before images were read.
const (
	Opaque        ImageFormat = ""
	FormatESPIDF  ImageFormat = "esp-idf"
	FormatMCUboot ImageFormat = "mcuboot"
	FormatUF2     ImageFormat = "uf2"
)

// MaxStated bounds each text of a Metadata, in bytes.
const MaxStated = 128

// Metadata is what a firmware image states about itself. Texts are printable; an absent
// statement is a zero field (docs/firmware.md#what-an-image-states).
type Metadata struct {
	Format      ImageFormat
	Version     string // as the image spells it
	Project     string // ESP-IDF: project name. UF2: description of the device
	Hardware    string // ESP-IDF: chip. UF2: families
	MinRevision string // ESP-IDF: lowest revision of the chip
	Depends     string // MCUboot: the other images that it needs
	Counter     uint32 // security counter: the boot loader refuses images with a lower one
	Signed      bool   // it carries a signature, which Muster does not verify
	Encrypted   bool
	Built       string // ESP-IDF: date and time, without a zone
	SDK         string // ESP-IDF: its version
}

// StatedVersion returns the version that the image states: without a leading "v" and without
// build metadata, neither of which a Version has. It returns none where that is not a version
// (docs/adr/0022).
func (m Metadata) StatedVersion() Version {
	text, _, _ := strings.Cut(strings.TrimPrefix(m.Version, "v"), "+")
	v, err := ParseVersion(text)
	if err != nil {
		return Version{}
	}
	return v
}

// Fits reports whether label is the version that the image states. Any label fits an image
// that states none. MCUboot's header has no room for a pre-release, so 1.4.0-rc.1 fits 1.4.0
// there.
func (m Metadata) Fits(label Version) bool {
	stated := m.StatedVersion()
	if !stated.Valid() {
		return true
	}
	if m.Format == FormatMCUboot {
		core, _, _ := strings.Cut(label.Key(), "-")
		return core == stated.Key()
	}
	return stated.Equal(label)
}
