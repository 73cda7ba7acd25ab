package wire

import (
	"math/bits"

	"github.com/fxamacker/cbor/v2"

	"github.com/muster-iot/muster/fleet"
)

// Hello starts a handshake: what the device runs and what it can take
// (docs/protocol.md#hello). NewHello fills in the defaults.
type Hello struct {
	Version   fleet.Version // what runs; may be unreadable
	Product   string        // slug the firmware was built for, "" when not said
	Digest    fleet.Digest  // of what runs, zero when not said
	Chunk     uint32        // largest chunk data it takes, bytes
	Window    uint32        // chunks pushed before it has to ask
	Partial   *Partial      // a download it kept, nil when none
	MaxImage  uint64        // bytes it can store, 0 when not said
	UpdatesOn bool
	Last      *Outcome // how the last update ended on the device, nil when not said
	Hardware  string
	Facts     []byte // encoded CBOR map of texts, nil when none
	Boot      uint64 // nonce of this boot, echoed in Welcome; 0 when not said
	Caches    bool   // a gateway that caches images for its BLE devices
}

// Partial is a download a device kept: it holds the chunks below Next of Image, counted
// in chunks of Chunk bytes.
type Partial struct {
	Image fleet.Image
	Next  uint32
	Chunk uint32
}

// Outcome is how an update ended, as the device saw it.
type Outcome struct {
	Update fleet.UpdateID
	Result OutcomeCode
	Reason fleet.ReasonCode
}

// OutcomeCode is the second element of Hello key 9.
type OutcomeCode uint8

// The outcomes.
const (
	OutcomeConfirmed  OutcomeCode = 1
	OutcomeRolledBack OutcomeCode = 2
	OutcomeFailed     OutcomeCode = 3
)

// NewHello is a Hello of a device that runs v, with every default.
func NewHello(v fleet.Version) Hello {
	return Hello{Version: v, Chunk: DefaultChunk, Window: DefaultWindow, UpdatesOn: true}
}

// ChunkSize is the size chunks are sent in to a device that takes up to limit bytes: the
// largest power of two not above it, within MinChunk and MaxChunk.
func ChunkSize(limit uint32) uint32 {
	limit = min(max(limit, MinChunk), MaxChunk)
	return 1 << (bits.Len32(limit) - 1)
}

// ChunkCount is the number of chunks of chunk bytes that size bytes make.
func ChunkCount(size int64, chunk uint32) uint32 {
	return uint32((size + int64(chunk) - 1) / int64(chunk))
}

type helloRecord struct {
	Protocol uint            `cbor:"0,keyasint"`
	Version  *version        `cbor:"1,keyasint"`
	Product  string          `cbor:"2,keyasint,omitempty"`
	Digest   octets          `cbor:"3,keyasint,omitempty"`
	Chunk    *uint32         `cbor:"4,keyasint,omitempty"`
	Window   *uint32         `cbor:"5,keyasint,omitempty"`
	Partial  cbor.RawMessage `cbor:"6,keyasint,omitempty"`
	MaxImage uint64          `cbor:"7,keyasint,omitempty"`
	Updates  *bool           `cbor:"8,keyasint,omitempty"`
	Last     *outcomeRecord  `cbor:"9,keyasint,omitempty"`
	Hardware string          `cbor:"10,keyasint,omitempty"`
	Facts    cbor.RawMessage `cbor:"11,keyasint,omitempty"`
	Boot     uint64          `cbor:"12,keyasint,omitempty"`
	Caches   bool            `cbor:"13,keyasint,omitempty"`
}

type outcomeRecord struct {
	_      struct{} `cbor:",toarray"`
	Update octets
	Result uint8
	Reason uint16
}

// Encode writes the Hello; values equal to the protocol's defaults are left out.
func (h Hello) Encode() []byte {
	r := helloRecord{
		Protocol: Protocol, Version: &version{h.Version}, Product: h.Product, MaxImage: h.MaxImage,
		Hardware: h.Hardware, Facts: h.Facts, Boot: h.Boot, Caches: h.Caches,
	}
	if h.Digest != (fleet.Digest{}) {
		r.Digest = h.Digest[:]
	}
	if h.Chunk != DefaultChunk {
		r.Chunk = &h.Chunk
	}
	if h.Window != defaultWindow(h.Chunk) {
		r.Window = &h.Window
	}
	if p := h.Partial; p != nil {
		elements := []cbor.RawMessage{encode(p.Image[:]), encode(p.Next)}
		if p.Chunk != h.Chunk {
			elements = append(elements, encode(p.Chunk))
		}
		r.Partial = encode(elements)
	}
	if !h.UpdatesOn {
		r.Updates = &h.UpdatesOn
	}
	if o := h.Last; o != nil {
		r.Last = &outcomeRecord{Update: o.Update[:], Result: uint8(o.Result), Reason: uint16(o.Reason)}
	}
	return encode(r)
}

// DecodeHello reads a Hello and fills in the defaults. It keeps nothing of data.
func DecodeHello(data []byte) (Hello, error) {
	var r helloRecord
	if err := decodeUp(data, MaxHello, &r); err != nil {
		return Hello{}, err
	}
	if r.Protocol != Protocol {
		return Hello{}, refuse(ReasonOther, "protocol version %d, %d is spoken here", r.Protocol, Protocol)
	}
	if r.Version == nil {
		return Hello{}, refuse(ReasonMalformed, "key 1, the running version, is missing")
	}
	h := NewHello(r.Version.Version)
	h.Product, h.MaxImage, h.Hardware, h.Boot, h.Caches = r.Product, r.MaxImage, r.Hardware, r.Boot, r.Caches
	for _, part := range []func(*helloRecord, *Hello) error{words, flow, outcome, facts} {
		if err := part(&r, &h); err != nil {
			return Hello{}, err
		}
	}
	h.Partial = usablePartial(r.Partial, h.Chunk)
	return h, nil
}

func words(r *helloRecord, h *Hello) error {
	if err := short(r.Product, MaxWord, "key 2, product"); err != nil {
		return err
	}
	if err := short(r.Hardware, MaxWord, "key 10, hardware"); err != nil {
		return err
	}
	if r.Updates != nil {
		h.UpdatesOn = *r.Updates
	}
	if r.Digest != nil {
		return fixed(h.Digest[:], r.Digest, "key 3, digest")
	}
	return nil
}

func flow(r *helloRecord, h *Hello) error {
	if r.Chunk != nil {
		h.Chunk = *r.Chunk
	}
	if h.Chunk < MinChunk || h.Chunk > MaxChunk {
		return refuse(ReasonOverLimit, "key 4, chunk: %d bytes, %d to %d are allowed", h.Chunk, MinChunk, MaxChunk)
	}
	h.Window = defaultWindow(h.Chunk)
	if r.Window != nil {
		h.Window = *r.Window
	}
	if h.Window > MaxWindow || h.Window*h.Chunk > MaxInFlight {
		return refuse(ReasonOverLimit, "key 5, window: %d chunks of %d bytes, up to %d chunks and %d bytes are allowed",
			h.Window, h.Chunk, MaxWindow, MaxInFlight)
	}
	return nil
}

// defaultWindow returns DefaultWindow, or less where that many chunks would break MaxInFlight.
func defaultWindow(chunk uint32) uint32 { return min(DefaultWindow, MaxInFlight/max(chunk, 1)) }

// usablePartial reads key 6, nil when absent. It is a hint: one that can't be used counts as
// absent, so that a damaged note on a device does not keep it from updates.
func usablePartial(data cbor.RawMessage, chunk uint32) *Partial {
	var elements []cbor.RawMessage
	if decoder.Unmarshal(data, &elements) != nil || len(elements) < 2 || len(elements) > 3 {
		return nil
	}
	p := Partial{Chunk: chunk}
	var image octets
	into := []any{&image, &p.Next, &p.Chunk}
	for i, element := range elements {
		if decoder.Unmarshal(element, into[i]) != nil {
			return nil
		}
	}
	if p.Chunk < MinChunk || p.Chunk > MaxChunk || fixed(p.Image[:], image, "key 6, image") != nil {
		return nil
	}
	return &p
}

func outcome(r *helloRecord, h *Hello) error {
	if r.Last == nil {
		return nil
	}
	o := Outcome{Result: OutcomeCode(r.Last.Result), Reason: fleet.ReasonCode(r.Last.Reason)}
	if o.Result < OutcomeConfirmed || o.Result > OutcomeFailed {
		return refuse(ReasonMalformed, "key 9, outcome %d: expected 1 to 3", o.Result)
	}
	h.Last = &o
	return fixed(o.Update[:], r.Last.Update, "key 9, update")
}
