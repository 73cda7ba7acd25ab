package broker

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"net"
	"testing"

	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// recorder notes the length of each TLS record of application data that arrives.
type recorder struct {
	net.Conn
	rest    *bufio.Reader
	left    int // bytes of the record being read
	lengths []int
}

func (r *recorder) Read(p []byte) (int, error) {
	if r.left == 0 {
		head, err := r.rest.Peek(5) // RFC 8446 §5.1: type, version, length
		if err != nil {
			return 0, err
		}
		n := int(binary.BigEndian.Uint16(head[3:]))
		const applicationData = 23
		if head[0] == applicationData {
			r.lengths = append(r.lengths, n)
		}
		r.left = 5 + n
	}
	n, err := r.rest.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// A device's modem or TLS library may have room for one chunk only: docs/protocol.md#connection.
func TestNoTLSRecordIsLongerThanTheChunkAskedForAnd128Bytes(t *testing.T) {
	for _, row := range []struct{ size, count int }{{128, 40}, {512, 32}, {1024, 24}, {4096, 20}, {16 << 10, 8}} {
		cloud := newCloud()
		b := start(t, Config{}, cloud)
		addr, err := b.ListenTLS("127.0.0.1:0", selfSigned(t))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		seen := &recorder{Conn: conn, rest: bufio.NewReader(conn)}
		secure := tls.Client(seen, anyCertificate)
		c := &client{t: t, conn: secure, r: bufio.NewReader(secure), version: mqtt.V311}
		c.send(connectPacket(mqtt.V311, hello{id: "d1", user: "d1", password: "proof"}))
		c.next()
		s := <-cloud.came
		seen.lengths = nil // of the handshake and its tickets
		im := newImage(row.count, row.size)
		link := s.link()
		for range 3 { // packets that wait behind each other keep to themselves as well
			if err := link.Send(wire.Topic{Speaker: "d1", Kind: wire.TopicWelcome}, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		link.Chunks(wire.Topic{Speaker: "d1", Kind: wire.TopicChunk}).Send(im, 0, uint32(row.count))
		for range row.count + 3 {
			c.next()
		}
		for _, n := range seen.lengths {
			if n > row.size+128 {
				t.Errorf("chunks of %d bytes: a record of %d bytes, at most %d are promised", row.size, n, row.size+128)
			}
		}
		if len(seen.lengths) < row.count {
			t.Errorf("chunks of %d bytes: %d records, want at least %d", row.size, len(seen.lengths), row.count)
		}
		_ = secure.Close()
	}
}
