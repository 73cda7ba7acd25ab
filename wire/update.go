package wire

import (
	"math"

	"github.com/muster-iot/muster/fleet"
)

// Offer starts an update, or continues the one it names (docs/protocol.md#offer).
type Offer struct {
	Update    fleet.UpdateID
	Version   fleet.Version
	Size      int64 // bytes
	Digest    fleet.Digest
	Chunk     uint32 // bytes of data per chunk
	Count     uint32 // chunks of the whole image
	First     uint32 // first chunk pushed now
	Signature []byte // reserved, nil in version 1
	Cached    bool   // the gateway has or fetches the image: nothing is pushed to the child
}

// Image is the offered image's name on the radio.
func (o Offer) Image() fleet.Image { return o.Digest.Image() }

type offerRecord struct {
	Update    octets   `cbor:"0,keyasint"`
	Version   *version `cbor:"1,keyasint"`
	Image     octets   `cbor:"2,keyasint"`
	Size      *int64   `cbor:"3,keyasint"`
	Digest    octets   `cbor:"4,keyasint"`
	Chunk     *uint32  `cbor:"5,keyasint"`
	Count     *uint32  `cbor:"6,keyasint"`
	First     *uint32  `cbor:"7,keyasint"`
	Signature octets   `cbor:"8,keyasint,omitempty"`
	Cached    bool     `cbor:"9,keyasint,omitempty"`
}

// Encode writes the Offer.
func (o Offer) Encode() []byte {
	image := o.Image()
	return encode(offerRecord{
		Update: o.Update[:], Version: &version{o.Version}, Image: image[:], Size: &o.Size, Digest: o.Digest[:],
		Chunk: &o.Chunk, Count: &o.Count, First: &o.First, Signature: o.Signature, Cached: o.Cached,
	})
}

// DecodeOffer reads an Offer and checks that its numbers agree with each other.
func DecodeOffer(data []byte) (Offer, error) {
	var r offerRecord
	if err := decode(data, MaxHello, &r); err != nil {
		return Offer{}, err
	}
	if r.Version == nil || r.Size == nil || r.Chunk == nil || r.Count == nil || r.First == nil {
		return Offer{}, refuse(ReasonMalformed, "one of keys 1, 3, 5, 6 and 7 is missing")
	}
	o := Offer{Version: r.Version.Version, Size: *r.Size, Chunk: *r.Chunk, Count: *r.Count, First: *r.First, Cached: r.Cached}
	if len(r.Signature) > 0 {
		o.Signature = r.Signature
	}
	var image fleet.Image
	for _, f := range []struct {
		into []byte
		from octets
		what string
	}{
		{o.Update[:], r.Update, "key 0, update"},
		{image[:], r.Image, "key 2, image"},
		{o.Digest[:], r.Digest, "key 4, digest"},
	} {
		if err := fixed(f.into, f.from, f.what); err != nil {
			return Offer{}, err
		}
	}
	switch {
	case !goodChunk(o.Chunk):
		return Offer{}, refuse(ReasonOverLimit, "key 5, chunk: %d bytes, a power of two from %d to %d is allowed", o.Chunk, MinChunk, MaxChunk)
	case o.Size <= 0 || o.Size > math.MaxUint32*int64(o.Chunk) || ChunkCount(o.Size, o.Chunk) != o.Count || o.First > o.Count:
		return Offer{}, refuse(ReasonMalformed, "keys 3 and 5 to 7 do not agree")
	case image != o.Image():
		return Offer{}, refuse(ReasonMalformed, "key 2, image, is not the start of the digest")
	}
	return o, nil
}

// goodChunk reports whether images are sent in chunks of size bytes.
func goodChunk(size uint32) bool { return ChunkSize(size) == size }

// Want asks for the chunks First to First+Count-1 of an image; what is past its end is
// clipped (docs/protocol.md#want).
type Want struct {
	Image fleet.Image
	First uint32
	Count uint32 // 1 to MaxWant
	Chunk uint32 // bytes per chunk where it is not the offer's, else 0
}

type wantRecord struct {
	Image octets  `cbor:"0,keyasint"`
	First *uint32 `cbor:"1,keyasint"`
	Count *uint32 `cbor:"2,keyasint"`
	Chunk *uint32 `cbor:"3,keyasint,omitempty"`
}

// Encode writes the Want.
func (w Want) Encode() []byte {
	r := wantRecord{Image: w.Image[:], First: &w.First, Count: &w.Count}
	if w.Chunk != 0 {
		r.Chunk = &w.Chunk
	}
	return encode(r)
}

// DecodeWant reads a Want.
func DecodeWant(data []byte) (Want, error) {
	var r wantRecord
	if err := decodeUp(data, MaxControl, &r); err != nil {
		return Want{}, err
	}
	switch {
	case r.First == nil || r.Count == nil:
		return Want{}, refuse(ReasonMalformed, "key 1, first, or key 2, count, is missing")
	case *r.Count < 1 || *r.Count > MaxWant:
		return Want{}, refuse(ReasonOverLimit, "key 2, count: %d, 1 to %d are allowed", *r.Count, MaxWant)
	case r.Chunk != nil && !goodChunk(*r.Chunk):
		return Want{}, refuse(ReasonOverLimit, "key 3, chunk: %d bytes, a power of two from %d to %d is allowed", *r.Chunk, MinChunk, MaxChunk)
	}
	w := Want{First: *r.First, Count: *r.Count}
	if r.Chunk != nil {
		w.Chunk = *r.Chunk
	}
	return w, fixed(w.Image[:], r.Image, "key 0, image")
}

// Stop ends an update (docs/protocol.md#stop).
type Stop struct {
	Image  fleet.Image
	Reason fleet.ReasonCode
	Update fleet.UpdateID // zero when not said
}

type stopRecord struct {
	Image  octets  `cbor:"0,keyasint"`
	Reason *uint16 `cbor:"1,keyasint"`
	Update octets  `cbor:"2,keyasint,omitempty"`
}

// Encode writes the Stop.
func (s Stop) Encode() []byte {
	reason := uint16(s.Reason)
	r := stopRecord{Image: s.Image[:], Reason: &reason}
	if s.Update != (fleet.UpdateID{}) {
		r.Update = s.Update[:]
	}
	return encode(r)
}

// DecodeStop reads a Stop.
func DecodeStop(data []byte) (Stop, error) {
	var r stopRecord
	if err := decode(data, MaxControl, &r); err != nil {
		return Stop{}, err
	}
	if r.Reason == nil {
		return Stop{}, refuse(ReasonMalformed, "key 1, reason, is missing")
	}
	s := Stop{Reason: fleet.ReasonCode(*r.Reason)}
	if r.Update != nil {
		if err := fixed(s.Update[:], r.Update, "key 2, update"); err != nil {
			return Stop{}, err
		}
	}
	return s, fixed(s.Image[:], r.Image, "key 0, image")
}
