package api

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// Payload is the bytes of a message: JSON unchanged, anything else as {"base64": "..."}.
type Payload []byte

// MarshalJSON writes JSON unchanged and other bytes as base64, also JSON that would be read
// as base64.
func (p Payload) MarshalJSON() ([]byte, error) {
	if _, wrapped := unwrapBase64(p); json.Valid(p) && !wrapped {
		return p, nil
	}
	return json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(p)})
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (p *Payload) UnmarshalJSON(data []byte) error {
	if raw, wrapped := unwrapBase64(data); wrapped {
		*p = raw
		return nil
	}
	*p = slices.Clone(data)
	return nil
}

// Schema describes any value.
func (Payload) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "Any JSON; bytes that are not JSON as {\"base64\": \"...\"}"}
}

func unwrapBase64(data []byte) ([]byte, bool) {
	var object map[string]json.RawMessage
	var text string
	if json.Unmarshal(data, &object) != nil || len(object) != 1 || json.Unmarshal(object["base64"], &text) != nil {
		return nil, false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	return raw, err == nil
}
