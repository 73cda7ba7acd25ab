package wire

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/muster-iot/muster/fleet"
)

var (
	encoder = mustMode(cbor.CoreDetEncOptions().EncMode())
	decoder = mustMode(cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  MaxNesting,
		MaxArrayElements: MaxAttach,
		MaxMapPairs:      MaxAttach,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
	}.DecMode())
)

func mustMode[M any](mode M, err error) M {
	if err != nil {
		panic(err)
	}
	return mode
}

const majorTypeMap = 5

// decode reads one CBOR map of at most limit bytes into into. `null` and other items
// that would leave into unchanged are refused.
func decode(data []byte, limit int, into any) error {
	if len(data) > limit {
		return refuse(ReasonOverLimit, "%d bytes, %d are allowed", len(data), limit)
	}
	if len(data) == 0 || data[0]>>5 != majorTypeMap {
		return refuse(ReasonMalformed, "not a CBOR map")
	}
	if err := decoder.Unmarshal(data, into); err != nil {
		return refuse(ReasonMalformed, "%v", err)
	}
	return nil
}

// encode cannot fail for the types of this package: a failure is our own bug.
func encode(message any) []byte {
	data, err := encoder.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("wire: %T: %v", message, err))
	}
	return data
}

// version is a Version on the radio: a number when it was written as one, else text.
type version struct{ fleet.Version }

func (v version) MarshalCBOR() ([]byte, error) {
	if n, ok := v.Whole(); ok {
		return encoder.Marshal(n)
	}
	return encoder.Marshal(v.String())
}

func (v *version) UnmarshalCBOR(data []byte) error {
	var n uint64
	if err := decoder.Unmarshal(data, &n); err == nil {
		if n > fleet.MaxWholeVersion {
			return fmt.Errorf("version %d: up to %d", n, fleet.MaxWholeVersion)
		}
		v.Version = fleet.WholeVersion(uint32(n))
		return nil
	}
	var s string
	if err := decoder.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if s == "" || len(s) > fleet.MaxVersion {
		return fmt.Errorf("version: %d bytes, 1 to %d are allowed", len(s), fleet.MaxVersion)
	}
	v.Version = fleet.ReportedVersion(s)
	return nil
}

// fixed reads a byte string that must have the length of the array it fills.
func fixed(into, from []byte, what string) error {
	if len(from) != len(into) {
		return refuse(ReasonMalformed, "%s: %d bytes, expected %d", what, len(from), len(into))
	}
	copy(into, from)
	return nil
}

func short(s string, limit int, what string) error {
	if len(s) > limit {
		return refuse(ReasonOverLimit, "%s: %d bytes, %d are allowed", what, len(s), limit)
	}
	return nil
}
