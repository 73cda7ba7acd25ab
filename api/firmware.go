package api

import (
	"time"

	"github.com/muster-iot/muster/fleet"
)

// NewFirmware describes an image to upload.
type NewFirmware struct {
	Version     Version // zero: the one that the image states
	Title       string
	Description string
	Notes       string // for those who install it
	File        string // the file name to store with the image

	ForceVersion bool // upload it even if the image states another version

	Hardware []string    // revisions it is for; none: all
	Requires fleet.Range // versions it can be installed over
	Floor    uint32      // security counter; 0: the one that the image states
}

// Firmware is one firmware of a product in Particle's shape.
type Firmware struct {
	ID          string     `json:"_id"`
	Version     Version    `json:"version"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Notes       string     `json:"notes" doc:"Release notes: text for those who install it"`
	Name        string     `json:"name" doc:"File name it was uploaded under"`
	Size        int64      `json:"size" doc:"Bytes"`
	SHA256      string     `json:"sha256"`
	ProductID   uint32     `json:"product_id"`
	Default     bool       `json:"product_default" doc:"It is the product default"`
	Groups      []string   `json:"groups" doc:"Groups it is released to that you may see"`
	Released    bool       `json:"released" doc:"It was released at least once and can't be deleted; for editors and viewers: it is released where they can see it"`
	Devices     int        `json:"device_count" doc:"Devices that run it"`
	Mandatory   bool       `json:"mandatory"`
	Current     bool       `json:"current" doc:"The same as product_default"`
	Intelligent bool       `json:"intelligent" doc:"In the answer to a release: it was sent at once"`
	Uploaded    *time.Time `json:"uploaded_on"`
	UploadedAt  *time.Time `json:"uploaded_at"`
	By          Uploader   `json:"uploaded_by"`
	Updated     *time.Time `json:"updated_at,omitempty" doc:"In the answer to a release"`
	Cooling     *Cooling   `json:"cooling_down,omitempty" doc:"In the answer to a release: devices that it reaches only later, because they wait after a failed attempt"`
	Metadata    *Metadata  `json:"metadata" doc:"What the image states about itself; null if it is in no format that Muster reads"`
	Forced      bool       `json:"version_forced" doc:"Its version is not the one that the image states"`
	Hardware    []string   `json:"hardware" doc:"Hardware revisions it is for; empty: all"`
	Requires    string     `json:"requires" doc:"Versions it can be installed over, such as >=1.4.0 <2.0.0; empty: all"`
	Floor       uint32     `json:"floor" doc:"Security counter: a device that runs it takes no firmware with a lower one"`

	Release *ReleaseBrief `json:"release,omitempty" doc:"Its newest release with a plan that is under way and that you may see"`
}

// Metadata is what a firmware image states about itself.
type Metadata struct {
	Format      string `json:"format" doc:"esp-idf, mcuboot or uf2"`
	Version     string `json:"version,omitempty" doc:"As the image spells it"`
	Project     string `json:"project,omitempty" doc:"ESP-IDF: the project's name. UF2: the description of the device"`
	Hardware    string `json:"hardware,omitempty" doc:"ESP-IDF: the chip. UF2: the families"`
	MinRevision string `json:"min_revision,omitempty" doc:"Lowest revision of the chip"`
	Depends     string `json:"depends,omitempty" doc:"MCUboot: the other images that it needs"`
	Counter     uint32 `json:"security_counter" doc:"Boot loaders refuse images with a lower one; 0: none"`
	Signed      bool   `json:"signed" doc:"It carries a signature, which Muster does not verify"`
	Encrypted   bool   `json:"encrypted"`
	Built       string `json:"built,omitempty" doc:"Date and time of the build, without a zone"`
	SDK         string `json:"sdk,omitempty" doc:"What it was built with"`
}

// Uploader is who uploaded a firmware.
type Uploader struct {
	Username string `json:"username"`
}

// FirmwareFields are what can be changed of a firmware.
type FirmwareFields struct {
	Title       *string `json:"title,omitempty"`
	Description *string `json:"description,omitempty"`
	Notes       *string `json:"notes,omitempty" doc:"Release notes, at most 8 KiB"`
	Hardware    *Names  `json:"hardware,omitempty" doc:"Hardware revisions it is for; an empty list: all"`
	Requires    *string `json:"requires,omitempty" doc:"Versions it can be installed over, such as >=1.4.0 <2.0.0; empty: all"`
	Mandatory   Ignored `json:"mandatory,omitzero"`
}
