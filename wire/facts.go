package wire

import (
	"bytes"
	"encoding/json"

	"github.com/fxamacker/cbor/v2"
)

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

// FactsJSON turns the facts of a Hello into a JSON object; bytes become base64 texts.
// Facts that JSON can't express (a map with numbers as keys, NaN) become texts.
func FactsJSON(facts []byte) ([]byte, error) {
	if len(facts) == 0 {
		return []byte("{}"), nil
	}
	var m map[string]any
	if err := anyDecoder.Unmarshal(facts, &m); err != nil {
		return nil, refuse(ReasonMalformed, "facts: %v", err)
	}
	for name, value := range m {
		m[name] = expressible(value)
	}
	return json.Marshal(m)
}

// expressible is value with what JSON can't express as text in diagnostic notation.
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
