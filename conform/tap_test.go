package conform

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/muster-iot/muster/wire/mqtt"
)

// TestTapWithholdsOnePubackWhereverTheBytesAreSplit sends packets to the device in pieces of
// every size: all but the one PUBACK pass at once, and that one after its release.
func TestTapWithholdsOnePubackWhereverTheBytesAreSplit(t *testing.T) {
	publish := mqtt.AppendPublish(nil, mqtt.V311, "d/dut/up/report", 1, 258, []byte("applying"))
	ping := []byte{mqtt.PingResp.Head(0), 0}
	chunk := mqtt.AppendPublish(nil, mqtt.V311, "d/dut/down/chunk", 0, 0, bytes.Repeat([]byte{0x40}, 200))
	down := slices.Concat(mqtt.AppendPubAck(nil, 257), ping, mqtt.AppendPubAck(nil, 258), chunk)
	passes := slices.Concat(mqtt.AppendPubAck(nil, 257), ping, chunk)
	for size := 1; size <= len(down); size++ {
		device, server := net.Pipe()
		tapped := &tap{Conn: server}
		go func() {
			for piece := range slices.Chunk(publish, size) {
				_, _ = device.Write(piece)
			}
		}()
		if _, err := io.ReadFull(tapped, make([]byte, len(publish))); err != nil {
			t.Fatal(err)
		}
		tapped.withhold("d/dut/up/report")
		go func() {
			for piece := range slices.Chunk(down, size) {
				_, _ = tapped.Write(piece)
			}
			tapped.release()
			_ = server.Close()
		}()
		got, err := io.ReadAll(device)
		if want := slices.Concat(passes, mqtt.AppendPubAck(nil, 258)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("pieces of %d: got % x, %v; want % x", size, got, err, want)
		}
	}
}
