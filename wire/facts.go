package wire

import (
	"bytes"
	"encoding/json"

	"github.com/fxamacker/cbor/v2"
)

// facts checks Hello key 11 and copies it into h.
func facts(r *helloRecord, h *Hello) error {
	if r.Facts == nil {
		return nil
	}
	if len(r.Facts) > MaxFacts {
		return refuse(ReasonOverLimit, "key 11, facts: %d bytes, %d are allowed", len(r.Facts), MaxFacts)
	}
	if r.Facts[0]>>5 != majorTypeMap {
		return refuse(ReasonMalformed, "key 11, facts: not a map")
	}
	var m map[string]any
	if err := anyDecoder.Unmarshal(r.Facts, &m); err != nil {
		return refusal(err)
	}
	h.Facts = bytes.Clone(r.Facts)
	return nil
}

// JSON turns one encoded CBOR item, the facts of a Hello or the value of an alert, into JSON;
// an empty one becomes "". Byte strings become base64 texts, and what JSON can't express (a map
// with numbers as keys, NaN) becomes a text in diagnostic notation. It returns "" for bytes that
// no decoder of this package let in.
func JSON(item []byte) string {
	if len(item) == 0 {
		return ""
	}
	var value any
	if anyDecoder.Unmarshal(item, &value) != nil {
		return ""
	}
	text, err := json.Marshal(expressible(value))
	if err != nil {
		return ""
	}
	return string(text)
}

// expressible is value with a text in the place of what JSON can't express.
func expressible(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = expressible(v[i])
		}
		return v
	case map[any]any:
		named := make(map[string]any, len(v))
		for key, value := range v {
			name, ok := key.(string)
			if !ok {
				return diagnosed(v)
			}
			named[name] = expressible(value)
		}
		return named
	}
	if _, err := json.Marshal(value); err != nil {
		return diagnosed(value)
	}
	return value
}

func diagnosed(value any) string {
	text, _ := cbor.Diagnose(encode(value)) // what was decoded can be diagnosed
	return text
}
