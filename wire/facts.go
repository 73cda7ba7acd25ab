package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"

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

// MaxSearchedFacts is how many facts of a device lists can be filtered by.
const MaxSearchedFacts = 32

// EachFact visits the facts of a Hello, encoded, by path: modem.imei is the value of imei within
// modem. Values are texts as JSON has them; each element of an array is one. It visits the
// first MaxSearchedFacts in the order of their paths, and none in bytes that no decoder of
// this package let in.
func EachFact(item []byte, visit func(path, value string)) {
	var value any
	if len(item) == 0 || anyDecoder.Unmarshal(item, &value) != nil {
		return
	}
	left := MaxSearchedFacts
	eachFact("", expressible(value), func(path, value string) bool {
		visit(path, value)
		left--
		return left > 0
	})
}

// eachFact visits the values in value until visit returns false, which it then returns, too.
func eachFact(path string, value any, visit func(path, value string) bool) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return visit(path, v)
	case []byte:
		return visit(path, base64.StdEncoding.EncodeToString(v))
	case []any:
		for _, element := range v {
			if !eachFact(path, element, visit) {
				return false
			}
		}
		return true
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !eachFact(strings.TrimPrefix(path+"."+key, "."), v[key], visit) {
				return false
			}
		}
		return true
	}
	text, err := json.Marshal(value)
	return err != nil || visit(path, string(text))
}

func diagnosed(value any) string {
	text, _ := cbor.Diagnose(encode(value)) // what was decoded can be diagnosed
	return text
}
