package wire

import (
	"math"

	"github.com/muster-iot/muster/fleet"
)

// Offer starts an update, or goes on with the one it names (docs/protocol.md#offer).
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
	Update    []byte   `cbor:"0,keyasint"`
	Version   *version `cbor:"1,keyasint"`
	Image     []byte   `cbor:"2,keyasint"`
	Size      int64    `cbor:"3,keyasint"`
	Digest    []byte   `cbor:"4,keyasint"`
	Chunk     uint32   `cbor:"5,keyasint"`
	Count     uint32   `cbor:"6,keyasint"`
	First     uint32   `cbor:"7,keyasint"`
	Signature []byte   `cbor:"8,keyasint,omitempty"`
	Cached    bool     `cbor:"9,keyasint,omitempty"`
}

// Encode writes the Offer.
func (o Offer) Encode() []byte {
	image := o.Image()
	return encode(offerRecord{
		Update: o.Update[:], Version: &version{o.Version}, Image: image[:], Size: o.Size, Digest: o.Digest[:],
		Chunk: o.Chunk, Count: o.Count, First: o.First, Signature: o.Signature, Cached: o.Cached,
	})
}

// DecodeOffer reads an Offer and checks that its numbers agree with each other.
func DecodeOffer(data []byte) (Offer, error) {
	var r offerRecord
	if err := decode(data, MaxHello, &r); err != nil {
		return Offer{}, err
	}
	o := Offer{Size: r.Size, Chunk: r.Chunk, Count: r.Count, First: r.First, Signature: r.Signature, Cached: r.Cached}
	if r.Version == nil {
		return Offer{}, refuse(ReasonMalformed, "key 1, version, is missing")
	}
	o.Version = r.Version.Version
	var image fleet.Image
	for _, f := range []struct {
		into, from []byte
		what       string
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
	case o.Chunk < MinChunk || o.Chunk > MaxChunk:
		return Offer{}, refuse(ReasonOverLimit, "key 5, chunk: %d bytes", o.Chunk)
	case o.Size <= 0 || o.Size > math.MaxUint32*int64(o.Chunk) || ChunkCount(o.Size, o.Chunk) != o.Count || o.First > o.Count:
		return Offer{}, refuse(ReasonMalformed, "keys 3 and 5 to 7 do not agree")
	case image != o.Image():
		return Offer{}, refuse(ReasonMalformed, "key 2, image, is not the start of the digest")
	}
	return o, nil
}

// Want asks for the chunks First to First+Count-1 of an image; what is past its end is
// clipped (docs/protocol.md#want).
type Want struct {
	Image fleet.Image
	First uint32
	Count uint32 // 1 to MaxWant
	Chunk uint32 // bytes per chunk where it is not the offer's, else 0
}

type wantRecord struct {
	Image []byte  `cbor:"0,keyasint"`
	First *uint32 `cbor:"1,keyasint"`
	Count uint32  `cbor:"2,keyasint"`
	Chunk uint32  `cbor:"3,keyasint,omitempty"`
}

// Encode writes the Want.
func (w Want) Encode() []byte {
	return encode(wantRecord{Image: w.Image[:], First: &w.First, Count: w.Count, Chunk: w.Chunk})
}

// DecodeWant reads a Want.
func DecodeWant(data []byte) (Want, error) {
	var r wantRecord
	if err := decode(data, MaxControl, &r); err != nil {
		return Want{}, err
	}
	w := Want{Count: r.Count, Chunk: r.Chunk}
	switch {
	case r.First == nil:
		return Want{}, refuse(ReasonMalformed, "key 1, first, is missing")
	case w.Count < 1 || w.Count > MaxWant:
		return Want{}, refuse(ReasonOverLimit, "key 2, count: %d, 1 to %d are allowed", w.Count, MaxWant)
	case w.Chunk != 0 && (w.Chunk < MinChunk || w.Chunk > MaxChunk || w.Chunk&(w.Chunk-1) != 0):
		return Want{}, refuse(ReasonOverLimit, "key 3, chunk: %d bytes, a power of two from %d to %d is allowed", w.Chunk, MinChunk, MaxChunk)
	}
	w.First = *r.First
	return w, fixed(w.Image[:], r.Image, "key 0, image")
}

// Stop ends an update (docs/protocol.md#stop).
type Stop struct {
	Image  fleet.Image
	Reason fleet.ReasonCode
	Update fleet.UpdateID // zero when not said
}

type stopRecord struct {
	Image  []byte `cbor:"0,keyasint"`
	Reason uint16 `cbor:"1,keyasint"`
	Update []byte `cbor:"2,keyasint,omitempty"`
}

// Encode writes the Stop.
func (s Stop) Encode() []byte {
	r := stopRecord{Image: s.Image[:], Reason: uint16(s.Reason)}
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
	s := Stop{Reason: fleet.ReasonCode(r.Reason)}
	if r.Update != nil {
		if err := fixed(s.Update[:], r.Update, "key 2, update"); err != nil {
			return Stop{}, err
		}
	}
	return s, fixed(s.Image[:], r.Image, "key 0, image")
}
