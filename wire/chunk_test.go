package wire_test

import (
	"bytes"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// libraryChunk is a chunk as the CBOR library writes it.
type libraryChunk struct {
	Image []byte `cbor:"0,keyasint"`
	Index uint32 `cbor:"1,keyasint"`
	Data  []byte `cbor:"2,keyasint"`
}

func TestChunkIsWrittenAsTheLibraryWritesIt(t *testing.T) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []uint32{0, 1, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1} {
		for _, size := range []int{1, 23, 24, 255, 256, 4096, 65535, 65536} {
			c := sampleChunk(index, size)
			want, err := mode.Marshal(libraryChunk{c.Image[:], c.Index, c.Data})
			if err != nil {
				t.Fatal(err)
			}
			got := wire.AppendChunk(nil, c)
			if !bytes.Equal(got, want) {
				t.Errorf("chunk %d of %d bytes: got head %x, want %x", index, size, got[:24], want[:24])
			}
			if over := len(got) - size; over > wire.MaxChunkOverhead {
				t.Errorf("chunk %d of %d bytes: %d bytes more than its data, want at most %d", index, size, over, wire.MaxChunkOverhead)
			}
			var read libraryChunk
			if err := cbor.Unmarshal(got, &read); err != nil || read.Index != index || !bytes.Equal(read.Data, c.Data) || !bytes.Equal(read.Image, c.Image[:]) {
				t.Errorf("chunk %d of %d bytes, read by the library: %v", index, size, err)
			}
			parsed, err := wire.ParseChunk(want)
			if err != nil || parsed.Image != c.Image || parsed.Index != index || !bytes.Equal(parsed.Data, c.Data) {
				t.Errorf("chunk %d of %d bytes, read by ParseChunk: %v", index, size, err)
			}
		}
	}
}

// Both ways of reading agree: adding an unknown key takes ParseChunk through the library.
func TestParseChunkReadsAlikeByHandAndByLibrary(t *testing.T) {
	for v := range vectors(t) {
		if v.message != "chunk" || v.expect != "ok" {
			continue
		}
		slow := bytes.Clone(v.data)
		slow[0]++ // a map of four
		slow = append(slow, 0x18, 99, 0xf5)
		a, errA := wire.ParseChunk(v.data)
		b, errB := wire.ParseChunk(slow)
		if errA != nil || errB != nil || a.Image != b.Image || a.Index != b.Index || !bytes.Equal(a.Data, b.Data) {
			t.Errorf("%s: got %v, %v by hand and %v, %v by the library", v.name, a, errA, b, errB)
		}
	}
}

func TestChunkOver64KiBIsRefused(t *testing.T) {
	_, err := wire.ParseChunk(wire.AppendChunk(nil, sampleChunk(0, wire.MaxChunk+1)))
	if got := reasonOf(err); got != wire.ReasonOverLimit {
		t.Errorf("got %v, want reason %d", err, wire.ReasonOverLimit)
	}
}

func TestParsedChunkPointsIntoItsInput(t *testing.T) {
	data := wire.AppendChunk(nil, sampleChunk(7, 128))
	c, err := wire.ParseChunk(data)
	if err != nil {
		t.Fatal(err)
	}
	if &c.Data[0] != &data[len(data)-128] {
		t.Error("Data is a copy")
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	chunk := sampleChunk(70000, 4096)
	encoded := wire.AppendChunk(nil, chunk)
	buffer := make([]byte, 0, len(encoded))
	for name, run := range map[string]func(){
		"AppendChunk":                 func() { buffer = wire.AppendChunk(buffer[:0], chunk) },
		"ParseChunk":                  func() { _, _ = wire.ParseChunk(encoded) },
		"ParseTopic want":             func() { _, _ = wire.ParseTopic("d/dev-1/up/want") },
		"ParseTopic named message":    func() { _, _ = wire.ParseTopic("d/dev-1/up/msg/log/boot") },
		"ParseTopic numbered result":  func() { _, _ = wire.ParseTopic("d/dev-1/up/done/123456") },
		"ParseTopic of a BLE device":  func() { _, _ = wire.ParseTopic("d/gw-1/b/ble-1/up/want") },
		"MayPublish own topic":        func() { mayPublish("dev-1", false, "d/dev-1/up/want") },
		"MaySubscribe own topics":     func() { wire.MaySubscribe("dev-1", false, "d/dev-1/down/#") },
		"MaySubscribe another device": func() { wire.MaySubscribe("dev-1", false, "d/dev-2/down/#") },
	} {
		if got := testing.AllocsPerRun(100, run); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func BenchmarkAppendChunk(b *testing.B) {
	c := sampleChunk(1000, 4096)
	buffer := make([]byte, 0, len(c.Data)+wire.MaxChunkOverhead)
	b.SetBytes(int64(len(c.Data)))
	b.ReportAllocs()
	for b.Loop() {
		buffer = wire.AppendChunk(buffer[:0], c)
	}
}

func BenchmarkParseChunk(b *testing.B) {
	data := wire.AppendChunk(nil, sampleChunk(1000, 4096))
	b.SetBytes(4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.ParseChunk(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseTopic(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.ParseTopic("d/nrf-352656100158792/up/want"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeHello(b *testing.B) {
	data := wire.NewHello(fleet.WholeVersion(7)).Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.DecodeHello(data); err != nil {
			b.Fatal(err)
		}
	}
}

func sampleChunk(index uint32, size int) wire.Chunk {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i % 251)
	}
	return wire.Chunk{Image: fleet.Image{1, 2, 3, 4, 5, 6, 7, 8}, Index: index, Data: data}
}
