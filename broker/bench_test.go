package broker

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/muster-iot/muster/wire/mqtt"
)

// BenchmarkSend pushes chunks over loopback to devices that read and drop them. One
// operation is one chunk.
func BenchmarkSend(b *testing.B) {
	for _, size := range []int{4 << 10, 16 << 10} {
		for _, devices := range []int{1, 100} {
			for _, encrypted := range []bool{false, true} {
				b.Run(fmt.Sprintf("chunk=%d/devices=%d/tls=%v", size, devices, encrypted), func(b *testing.B) {
					benchmarkSend(b, size, devices, encrypted)
				})
			}
		}
	}
}

func benchmarkSend(b *testing.B, size, devices int, encrypted bool) {
	cloud := newCloud()
	br := start(b, Config{}, cloud)
	addr, err := br.ListenTCP("127.0.0.1:0")
	if encrypted {
		addr, err = br.ListenTLS("127.0.0.1:0", selfSigned(b))
	}
	if err != nil {
		b.Fatal(err)
	}
	const window = 16
	im := newImage(window, size)
	packet := int64(len(mqtt.AppendPublishHead(nil, mqtt.V311, "d/d000/down/chunk", len(im.chunks[15]))) + len(im.chunks[15]))
	type device struct {
		conn net.Conn
		link *Link
	}
	var all []device
	for i := range devices {
		var conn net.Conn
		if encrypted {
			conn, err = tls.Dial("tcp", addr.String(), anyCertificate)
		} else {
			conn, err = net.Dial("tcp", addr.String())
		}
		if err != nil {
			b.Fatal(err)
		}
		c := newClient(b, conn, mqtt.V311).join(fmt.Sprintf("d%03d", i))
		all = append(all, device{c.conn, (<-cloud.came).link()})
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	var readers sync.WaitGroup
	for _, d := range all {
		readers.Go(func() {
			buffer := make([]byte, 128<<10)
			chunks := d.link.Chunks(topicOf(b, "d/"+string(d.link.id)+"/down/chunk"))
			windows := (b.N/devices + window - 1) / window
			for range windows {
				chunks.Send(im, 0, window)
				for left := window * packet; left > 0; {
					n, err := d.conn.Read(buffer[:min(left, int64(len(buffer)))])
					if err != nil {
						b.Error(err)
						return
					}
					left -= int64(n)
				}
			}
		})
	}
	readers.Wait()
}

// BenchmarkWant has a device ask for eight chunks of 4 KiB at a time, which the reader writes.
// One operation is one Want.
func BenchmarkWant(b *testing.B) {
	const window, size = 8, 4 << 10
	im := newImage(window, size)
	cloud := newCloud()
	var chunks *ChunkStream
	cloud.begin = func(s *session) { chunks = s.link().Chunks(topicOf(b, "d/gw/down/chunk")) }
	cloud.receive = func(*session, note) error {
		chunks.Send(im, 0, window)
		<-cloud.heard // makes room for itself
		return nil
	}
	cloud.heard <- note{}
	_, addr := listening(b, Config{}, cloud)
	c := dial(b, addr, mqtt.V311).join("gw")
	want := publishPacket(mqtt.V311, 0, 0, "d/gw/up/want", make([]byte, 20))
	answer := 0
	for _, chunk := range im.chunks {
		answer += len(publishPacket(mqtt.V311, 0, 0, "d/gw/down/chunk", chunk))
	}
	buffer := make([]byte, answer)
	b.SetBytes(window * size)
	b.ReportAllocs()
	for b.Loop() {
		c.send(want)
		if _, err := io.ReadFull(c.conn, buffer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConnect measures CONNECT, CONNACK and the end, over loopback.
func BenchmarkConnect(b *testing.B) {
	cloud := newCloud()
	_, addr := listening(b, Config{}, cloud)
	go func() {
		for range cloud.came {
		}
	}()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			b.Fatal(err)
		}
		id := fmt.Sprintf("d%d", i)
		if _, err := conn.Write(connectPacket(mqtt.V311, hello{id: id, user: id, password: "proof", keepAlive: 60})); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
			b.Fatal(err)
		}
		_ = conn.Close()
	}
	close(cloud.came)
}
