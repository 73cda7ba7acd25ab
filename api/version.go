package api

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// Version is a firmware version in JSON: a number when it is a whole number, else a
// string; both are read. The zero Version is null.
type Version struct{ fleet.Version }

// MarshalJSON writes 7, "1.4.0" or null.
func (v Version) MarshalJSON() ([]byte, error) {
	if v.IsZero() {
		return []byte("null"), nil
	}
	if n, ok := v.Whole(); ok {
		return strconv.AppendUint(nil, uint64(n), 10), nil
	}
	return json.Marshal(v.String())
}

// UnmarshalJSON reads what MarshalJSON writes, and a whole number as a string. Errors
// are fleet.Invalid.
func (v *Version) UnmarshalJSON(data []byte) error {
	text, err := versionText(data)
	if err != nil || text == "" {
		v.Version = fleet.Version{}
		return err
	}
	v.Version, err = fleet.ParseVersion(text)
	return err
}

// Schema describes a number or a string.
func (Version) Schema(huma.Registry) *huma.Schema { return versionSchema() }

// Reported is a version that a device reported, which may be any text.
type Reported struct{ fleet.Version }

// MarshalJSON writes 7, "1.4.0" or null.
func (v Reported) MarshalJSON() ([]byte, error) { return Version(v).MarshalJSON() }

// UnmarshalJSON reads any text.
func (v *Reported) UnmarshalJSON(data []byte) error {
	text, err := versionText(data)
	v.Version = fleet.Version{}
	if err == nil && text != "" {
		v.Version = fleet.ReportedVersion(text)
	}
	return err
}

// Schema describes a number or a string.
func (Reported) Schema(huma.Registry) *huma.Schema { return versionSchema() }

func versionSchema() *huma.Schema {
	return &huma.Schema{
		Description: "A whole number, or a semantic version as a string; null: none",
		OneOf:       []*huma.Schema{{Type: "integer"}, {Type: "string"}, {Type: "null"}},
		Examples:    []any{7, "1.4.0-rc.1"},
	}
}

// versionText is the text of a JSON number or string, "" for null.
func versionText(data []byte) (string, error) {
	data = bytes.TrimSpace(data)
	if bytes.Equal(data, []byte("null")) {
		return "", nil
	}
	if len(data) > 0 && data[0] != '"' {
		var number json.Number
		if err := json.Unmarshal(data, &number); err != nil {
			return "", fleet.Errorf(fleet.Invalid, "a version is a whole number or a string such as \"1.4.0\"")
		}
		return number.String(), nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return "", fleet.Errorf(fleet.Invalid, "a version is a whole number or a string such as \"1.4.0\"")
	}
	if text == "" {
		return "", fleet.Errorf(fleet.Invalid, "a version is not empty: send null for none")
	}
	return text, nil
}
