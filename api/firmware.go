package api

import "time"

// NewFirmware describes an image to upload.
type NewFirmware struct {
	Version     Version
	Title       string
	Description string
	File        string // the file name to store with the image
}

// Firmware is one firmware of a product in Particle's shape.
type Firmware struct {
	ID          string     `json:"_id"`
	Version     Version    `json:"version"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Name        string     `json:"name" doc:"File name it was uploaded under"`
	Size        int64      `json:"size" doc:"Bytes"`
	SHA256      string     `json:"sha256"`
	ProductID   uint32     `json:"product_id"`
	Default     bool       `json:"product_default" doc:"It is the product default"`
	Groups      []string   `json:"groups" doc:"Groups it is released to that you may see"`
	Released    bool       `json:"released" doc:"It was released at least once and can't be deleted"`
	Devices     int        `json:"device_count" doc:"Devices that run it"`
	Mandatory   bool       `json:"mandatory"`
	Current     bool       `json:"current" doc:"The same as product_default"`
	Intelligent bool       `json:"intelligent" doc:"In the answer to a release: it was sent at once"`
	Uploaded    *time.Time `json:"uploaded_on"`
	UploadedAt  *time.Time `json:"uploaded_at"`
	By          Uploader   `json:"uploaded_by"`
	Updated     *time.Time `json:"updated_at,omitempty" doc:"In the answer to a release"`
}

// Uploader is who uploaded a firmware.
type Uploader struct {
	Username string `json:"username"`
}

// FirmwareFields are what can be changed of a firmware.
type FirmwareFields struct {
	Title       *string `json:"title,omitempty"`
	Description *string `json:"description,omitempty"`
	Mandatory   Ignored `json:"mandatory,omitzero"`
}
