package wire

import "github.com/muster-iot/muster/fleet"

// Attach is the BLE devices that came into a gateway's reach or, on the detach topic, left
// it (docs/protocol.md#attach).
type Attach struct {
	IDs []fleet.DeviceID // 1 to MaxAttach
}

type attachRecord struct {
	IDs []string `cbor:"0,keyasint"`
}

// Encode writes the Attach.
func (a Attach) Encode() []byte {
	r := attachRecord{IDs: make([]string, len(a.IDs))}
	for i, id := range a.IDs {
		r.IDs[i] = id.String()
	}
	return encode(r)
}

// DecodeAttach reads an Attach; every id is a well-formed device id.
func DecodeAttach(data []byte) (Attach, error) {
	var r attachRecord
	if err := decodeUp(data, MaxAttachBytes, &r); err != nil {
		return Attach{}, err
	}
	if r.IDs == nil {
		return Attach{}, refuse(ReasonMalformed, "key 0, the ids, is missing")
	}
	if len(r.IDs) < 1 || len(r.IDs) > MaxAttach {
		return Attach{}, refuse(ReasonOverLimit, "key 0: %d ids, 1 to %d are allowed", len(r.IDs), MaxAttach)
	}
	a := Attach{IDs: make([]fleet.DeviceID, len(r.IDs))}
	for i, s := range r.IDs {
		id, err := fleet.ParseDeviceID(s)
		if err != nil {
			return Attach{}, refuse(ReasonMalformed, "%v", err)
		}
		a.IDs[i] = id
	}
	return a, nil
}

// Attached answers an attach or detach, id by id (docs/protocol.md#attached).
type Attached struct {
	Outcomes []AttachOutcome
}

// AttachOutcome is ReasonNone where the change was made.
type AttachOutcome struct {
	ID     fleet.DeviceID
	Reason fleet.ReasonCode
}

type attachedRecord struct {
	Outcomes []attachOutcomeRecord `cbor:"0,keyasint"`
}

type attachOutcomeRecord struct {
	_      struct{} `cbor:",toarray"`
	ID     string
	Reason uint16
}

// Encode writes the Attached.
func (a Attached) Encode() []byte {
	r := attachedRecord{Outcomes: make([]attachOutcomeRecord, len(a.Outcomes))}
	for i, o := range a.Outcomes {
		r.Outcomes[i] = attachOutcomeRecord{ID: o.ID.String(), Reason: uint16(o.Reason)}
	}
	return encode(r)
}

// DecodeAttached reads an Attached.
func DecodeAttached(data []byte) (Attached, error) {
	var r attachedRecord
	if err := decode(data, MaxAttachBytes, &r); err != nil {
		return Attached{}, err
	}
	if r.Outcomes == nil {
		return Attached{}, refuse(ReasonMalformed, "key 0, the outcomes, is missing")
	}
	a := Attached{Outcomes: make([]AttachOutcome, len(r.Outcomes))}
	for i, o := range r.Outcomes {
		a.Outcomes[i] = AttachOutcome{ID: fleet.DeviceID(o.ID), Reason: fleet.ReasonCode(o.Reason)}
	}
	return a, nil
}
