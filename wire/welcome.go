package wire

import (
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Welcome answers every Hello (docs/protocol.md#welcome).
type Welcome struct {
	Boot   uint64           // the Hello's nonce, 0 when it had none
	Time   time.Time        // whole seconds
	Target fleet.Version    // zero: none
	Why    string           // the reason in words, "" when not said
	Reason fleet.ReasonCode // why no update starts though one is due; 0: none
	Again  time.Duration    // send Hello again after this time, whole seconds; 0: not needed
}

type welcomeRecord struct {
	Boot   uint64   `cbor:"0,keyasint,omitempty"`
	Time   *uint64  `cbor:"1,keyasint"`
	Target *version `cbor:"2,keyasint,omitempty"`
	Why    string   `cbor:"3,keyasint,omitempty"`
	Reason uint16   `cbor:"4,keyasint,omitempty"`
	Again  uint64   `cbor:"5,keyasint,omitempty"`
}

// Bounds of a Welcome's times: neither overflows a time.Time or a time.Duration.
const (
	maxTime  = 1 << 40 // seconds since 1970
	maxAgain = 1 << 31 // seconds
)

// Encode writes the Welcome. Why is cut at MaxText bytes and loses
// what is not UTF-8.
func (w Welcome) Encode() []byte {
	now := uint64(max(w.Time.Unix(), 0))
	r := welcomeRecord{
		Boot: w.Boot, Time: &now, Why: cut(w.Why, MaxText),
		Reason: uint16(w.Reason), Again: uint64(w.Again / time.Second),
	}
	if !w.Target.IsZero() {
		r.Target = &version{w.Target}
	}
	return encode(r)
}

// DecodeWelcome reads a Welcome.
func DecodeWelcome(data []byte) (Welcome, error) {
	var r welcomeRecord
	if err := decode(data, MaxHello, &r); err != nil {
		return Welcome{}, err
	}
	switch {
	case r.Time == nil:
		return Welcome{}, refuse(ReasonMalformed, "key 1, time, is missing")
	case *r.Time > maxTime || r.Again > maxAgain:
		return Welcome{}, refuse(ReasonOverLimit, "key 1, time, or key 5, again: out of range")
	}
	if err := short(r.Why, MaxText, "key 3, why"); err != nil {
		return Welcome{}, err
	}
	w := Welcome{
		Boot: r.Boot, Time: time.Unix(int64(*r.Time), 0).UTC(), Why: r.Why,
		Reason: fleet.ReasonCode(r.Reason), Again: time.Duration(r.Again) * time.Second,
	}
	if r.Target != nil {
		w.Target = r.Target.Version
	}
	return w, nil
}

// cut shortens s to at most limit bytes and to what a CBOR text may hold.
func cut(s string, limit int) string {
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}
