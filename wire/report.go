package wire

import (
	"bytes"

	"github.com/fxamacker/cbor/v2"

	"github.com/muster-iot/muster/fleet"
)

// ReportState is what a device says about its update.
type ReportState uint8

// The states of a Report.
const (
	ReportDownloading     ReportState = 1
	ReportStored          ReportState = 2
	ReportApplying        ReportState = 3
	ReportFailed          ReportState = 4
	ReportUpdatesDisabled ReportState = 5
	ReportUpdatesEnabled  ReportState = 6
)

// Report is a device's word on its update, or on whether it takes updates at all
// (docs/protocol.md#report).
type Report struct {
	Image  fleet.Image // zero when not said, which only states 5 and 6 allow
	State  ReportState
	Reason fleet.ReasonCode
	Text   string
	Next   uint32         // chunk index, with ReportDownloading
	Update fleet.UpdateID // zero when not said
}

type reportRecord struct {
	Image  octets `cbor:"0,keyasint,omitempty"`
	State  uint8  `cbor:"1,keyasint"`
	Reason uint16 `cbor:"2,keyasint,omitempty"`
	Text   string `cbor:"3,keyasint,omitempty"`
	Next   uint32 `cbor:"4,keyasint,omitempty"`
	Update octets `cbor:"5,keyasint,omitempty"`
}

// Encode writes the Report.
func (p Report) Encode() []byte {
	r := reportRecord{State: uint8(p.State), Reason: uint16(p.Reason), Text: p.Text, Next: p.Next}
	if p.Image != (fleet.Image{}) || p.State < ReportUpdatesDisabled {
		r.Image = p.Image[:]
	}
	if p.Update != (fleet.UpdateID{}) {
		r.Update = p.Update[:]
	}
	return encode(r)
}

// DecodeReport reads a Report.
func DecodeReport(data []byte) (Report, error) {
	var r reportRecord
	if err := decode(data, MaxControl, &r); err != nil {
		return Report{}, err
	}
	p := Report{State: ReportState(r.State), Reason: fleet.ReasonCode(r.Reason), Text: r.Text, Next: r.Next}
	if p.State < ReportDownloading || p.State > ReportUpdatesEnabled {
		return Report{}, refuse(ReasonMalformed, "key 1, state %d: expected 1 to 6", p.State)
	}
	if err := short(p.Text, MaxText, "key 3, text"); err != nil {
		return Report{}, err
	}
	if r.Update != nil {
		if err := fixed(p.Update[:], r.Update, "key 5, update"); err != nil {
			return Report{}, err
		}
	}
	if r.Image == nil && p.State >= ReportUpdatesDisabled {
		return p, nil
	}
	return p, fixed(p.Image[:], r.Image, "key 0, image")
}

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
	if err := decode(data, MaxAlert, &r); err != nil {
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

// Attach names BLE devices that came into, or with the detach topic left, a gateway's
// reach (docs/protocol.md#attach).
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
		r.IDs[i] = string(id)
	}
	return encode(r)
}

// DecodeAttach reads an Attach; every id is a well-formed device id.
func DecodeAttach(data []byte) (Attach, error) {
	var r attachRecord
	if err := decode(data, MaxAttachBytes, &r); err != nil {
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
		r.Outcomes[i] = attachOutcomeRecord{ID: string(o.ID), Reason: uint16(o.Reason)}
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
