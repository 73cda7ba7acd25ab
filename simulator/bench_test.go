package simulator

import (
	"context"
	"crypto/sha256"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/muster-iot/muster/wire"
)

// BenchmarkLightDevice reports what one idle, greeted device on the light client takes in
// memory, heap and stack, over real sockets. The other side's net.Conn is counted too.
func BenchmarkLightDevice(b *testing.B) {
	const devices = 2000
	for b.Loop() {
		listener := greeter(b)
		config := Config{
			Client: Light, Devices: credentials(devices), Broker: Broker{Scheme: "tcp", Host: listener.Addr().String()},
			Every: 20 * time.Millisecond, Done: func(f *Fleet) bool { return f.Snapshot().Online == devices },
		}
		before := inUse()
		f, err := New(config)
		if err != nil {
			b.Fatal(err)
		}
		var heap, stack uint64
		done := config.Done
		f.config.Done = func(f *Fleet) bool {
			if !done(f) {
				return false
			}
			after := inUse()
			heap, stack = (after.HeapAlloc-before.HeapAlloc)/devices, (after.StackInuse-before.StackInuse)/devices
			return true
		}
		f.Run(context.Background())
		_ = listener.Close()
		b.ReportMetric(float64(heap+stack), "B/device")
		b.ReportMetric(float64(stack), "stack-B/device")
	}
}

func inUse() (m runtime.MemStats) {
	runtime.GC()
	for range 5 { // stacks shrink by half each time, pools empty
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m
}

// greeter accepts devices, one after the other, without a goroutine or a buffer each.
func greeter(b *testing.B) net.Listener {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		var kept []net.Conn
		defer func() {
			for _, c := range kept {
				_ = c.Close()
			}
		}()
		buf := make([]byte, 1024)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			kept = append(kept, c)
			n, _ := c.Read(buf) // CONNECT
			id := fields(buf[12:n])[0]
			_, _ = c.Write([]byte{byte(connAck) << 4, 2, 0, 0})
			_, _ = c.Read(buf) // Hello
			w := wire.Welcome{Time: time.Now()}.Encode()
			_, _ = c.Write(appendPublish(nil, "d/"+id+"/down/welcome", 0, 0, w))
		}
	}()
	return listener
}

// BenchmarkChunks reports how fast the light client reads chunks of 4 KiB over a real
// socket, with and without the model, which hashes them.
func BenchmarkChunks(b *testing.B) {
	f := newFirmware(2, 4096, 4096)
	packet := appendPublish(nil, "d/dev-1/down/chunk", 0, 0,
		wire.AppendChunk(nil, wire.Chunk{Image: f.digest.Image(), Index: 70000, Data: f.bytes}))
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
				exchange(c, []byte{byte(connAck) << 4, 2, 0, 0})
				for err == nil {
					_, err = c.Write(batch)
				}
			}()
			broker := Broker{Scheme: "tcp", Host: listener.Addr().String()}
			c, err := Dial(b.Context(), broker, Connect{ID: "dev-1", KeepAlive: time.Minute})
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
