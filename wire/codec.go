package wire

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/muster-iot/muster/fleet"
)

var (
	encoder = mustMode(cbor.CoreDetEncOptions().EncMode())
	decoder = mustMode(decoderOptions(cbor.WithRejectedSimpleValue(null), cbor.WithRejectedSimpleValue(undefined)).DecMode())
	// anyDecoder reads what may hold null too: facts, the value of an alert, unknown keys.
	anyDecoder = mustMode(decoderOptions().DecMode())
	// lenientDecoder reads what a device encoded with indefinite lengths (ADR 0011).
	lenientDecoder = mustMode(indefinite(decoderOptions()).DecMode())
)

// The two simple values that cbor would take for an absent key (RFC 8949 §3.3).
const (
	null      cbor.SimpleValue = 22
	undefined cbor.SimpleValue = 23
)

func decoderOptions(simple ...func(*cbor.SimpleValueRegistry) error) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  MaxNesting,
		MaxArrayElements: MaxElements,
		MaxMapPairs:      MaxElements,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
		SimpleValues:     mustMode(cbor.NewSimpleValueRegistryFromDefaults(simple...)),
	}
}

func indefinite(o cbor.DecOptions) cbor.DecOptions {
	o.IndefLength = cbor.IndefLengthAllowed
	return o
}

func mustMode[M any](mode M, err error) M {
	if err != nil {
		panic(err)
	}
	return mode
}

// The major types that are checked by hand (RFC 8949 §3.1).
const (
	majorTypeBytes = 2
	majorTypeMap   = 5
)

// decode reads one CBOR map of at most limit bytes into into. `null` and other items
// that would leave into or one of its fields unchanged are refused.
func decode(data []byte, limit int, into any) error {
	if len(data) > limit {
		return refuse(ReasonOverLimit, "%d bytes, %d are allowed", len(data), limit)
	}
	if len(data) == 0 || data[0]>>5 != majorTypeMap {
		return refuse(ReasonMalformed, "not a CBOR map")
	}
	err := decoder.Unmarshal(data, into)
	if err == nil {
		return nil
	}
	var simple *cbor.UnacceptableDataItemError
	if errors.As(err, &simple) {
		err = decodeWithNulls(data, into)
	}
	return refusal(err)
}

// decodeUp is decode for what devices send. They may use indefinite lengths, as zcbor does
// unless configured otherwise; such a message is encoded again with definite ones and then
// treated like any other.
func decodeUp(data []byte, limit int, into any) error {
	err := decode(data, limit, into)
	var length *cbor.IndefiniteLengthError
	if err == nil || len(data) > limit || !errors.As(anyDecoder.Wellformed(data), &length) {
		return err
	}
	var message any
	if err := lenientDecoder.Unmarshal(data, &message); err != nil {
		return refusal(err)
	}
	definite, err := encoder.Marshal(message)
	if err != nil {
		return refusal(err)
	}
	return decode(definite, limit, into)
}

// decodeWithNulls is decode for a message with a null in it, which only fields of type
// cbor.RawMessage and unknown keys may have. It relies on field k having key k.
func decodeWithNulls(data []byte, into any) error {
	var parts map[any]cbor.RawMessage
	if err := anyDecoder.Unmarshal(data, &parts); err != nil {
		return err
	}
	record := reflect.TypeOf(into).Elem()
	for key, part := range parts {
		k, number := key.(uint64)
		if !number || k >= uint64(record.NumField()) || record.Field(int(k)).Type == reflect.TypeFor[cbor.RawMessage]() {
			continue
		}
		if err := decoder.Wellformed(part); err != nil {
			return err
		}
	}
	return anyDecoder.Unmarshal(data, into)
}

// refusal gives an error of the CBOR library its reason; nil stays nil.
func refusal(err error) error {
	var own *Refusal
	var nesting *cbor.MaxNestedLevelError
	var elements *cbor.MaxArrayElementsError
	var pairs *cbor.MaxMapPairsError
	var mismatch *cbor.UnmarshalTypeError // its text names Go types, and a device gets the refusal's
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &mismatch):
		name := mismatch.StructFieldName
		if key, err := strconv.Atoi(name[strings.LastIndex(name, ".")+1:]); err == nil {
			return refuse(ReasonMalformed, "key %d: wrong type or out of range: %s", key, mismatch.CBORType)
		}
		return refuse(ReasonMalformed, "an item of the wrong type or out of range: %s", mismatch.CBORType)
	case errors.As(err, &nesting), errors.As(err, &elements), errors.As(err, &pairs):
		return refuse(ReasonOverLimit, "%v", err)
	}
	return refuse(ReasonMalformed, "%v", err)
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
			return refuse(ReasonOverLimit, "version %d: up to %d is allowed", n, fleet.MaxWholeVersion)
		}
		v.Version = fleet.WholeVersion(uint32(n))
		return nil
	}
	var s string
	if err := decoder.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if s == "" || len(s) > fleet.MaxVersion {
		return refuse(ReasonOverLimit, "version: %d bytes, 1 to %d are allowed", len(s), fleet.MaxVersion)
	}
	v.Version = fleet.ReportedVersion(s)
	return nil
}

// octets is a byte string and nothing else: the library alone would also take an array
// of small numbers.
type octets []byte

func (o *octets) UnmarshalCBOR(data []byte) error {
	if len(data) == 0 || data[0]>>5 != majorTypeBytes {
		return refuse(ReasonMalformed, "expected a byte string")
	}
	return decoder.Unmarshal(data, (*[]byte)(o))
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
