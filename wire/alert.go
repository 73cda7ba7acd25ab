package wire

import (
	"bytes"

	"github.com/fxamacker/cbor/v2"
)

// Alert is raised by a device (docs/protocol.md#alert).
type Alert struct {
	Type  uint64
	Text  string
	Value []byte // an encoded CBOR item, nil when none
}

type alertRecord struct {
	Type  *uint64         `cbor:"0,keyasint"`
	Text  string          `cbor:"1,keyasint,omitempty"`
	Value cbor.RawMessage `cbor:"2,keyasint,omitempty"`
}

// Encode writes the Alert.
func (a Alert) Encode() []byte {
	return encode(alertRecord{Type: &a.Type, Text: a.Text, Value: a.Value})
}

// DecodeAlert reads an Alert. Value is a copy.
func DecodeAlert(data []byte) (Alert, error) {
	var r alertRecord
	if err := decodeUp(data, MaxAlert, &r); err != nil {
		return Alert{}, err
	}
	if r.Type == nil {
		return Alert{}, refuse(ReasonMalformed, "key 0, type, is missing")
	}
	if err := short(r.Text, MaxText, "key 1, text"); err != nil {
		return Alert{}, err
	}
	if r.Value != nil {
		var value any // read only to refuse what is refused in every message
		if err := anyDecoder.Unmarshal(r.Value, &value); err != nil {
			return Alert{}, refusal(err)
		}
	}
	return Alert{Type: *r.Type, Text: r.Text, Value: bytes.Clone(r.Value)}, nil
}
