package mqttlite

import (
	"crypto/sha256"
	"net"
	"testing"
	"time"

	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// BenchmarkChunks reports how fast the light client reads chunks of 4 KiB over a real
// socket, with and without hashing them, as a device does.
func BenchmarkChunks(b *testing.B) {
	data := make([]byte, 4096)
	packet := mqtt.AppendPublish(nil, mqtt.V311, "d/dev-1/down/chunk", 0, 0,
		wire.AppendChunk(nil, wire.Chunk{Index: 70000, Data: data}))
	var batch []byte
	for range 32 {
		batch = append(batch, packet...)
	}
	for _, hashing := range []bool{false, true} {
		name := "read"
		if hashing {
			name = "read and hash"
		}
		b.Run(name, func(b *testing.B) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			go func() {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				exchange(c, []byte{mqtt.ConnAck.Head(0), 2, 0, 0})
				for err == nil {
					_, err = c.Write(batch)
				}
			}()
			broker := Broker{Scheme: "tcp", Host: listener.Addr().String()}
			c, err := Dial(b.Context(), broker, mqtt.Client{ID: "dev-1", KeepAlive: time.Minute})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			sum := sha256.New()
			b.SetBytes(4096)
			b.ReportAllocs()
			for b.Loop() {
				p, err := c.Read(time.Now().Add(10 * time.Second))
				if err != nil {
					b.Fatal(err)
				}
				chunk, err := wire.ParseChunk(p.Payload)
				if err != nil {
					b.Fatal(err)
				}
				if hashing {
					sum.Write(chunk.Data)
				}
			}
		})
	}
}
