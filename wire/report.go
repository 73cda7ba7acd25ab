package wire

import "github.com/muster-iot/muster/fleet"

// ReportState is what a Report is about.
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

// Report is the device's progress with its update, or whether it takes updates at all
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
	if err := decodeUp(data, MaxControl, &r); err != nil {
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
