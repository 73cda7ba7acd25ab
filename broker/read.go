package broker

import (
	"bufio"
	"fmt"
	"io"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/muster-iot/muster/wire"
	"github.com/muster-iot/muster/wire/mqtt"
)

// readBuffer is what a connection keeps for reading while it is idle, in bytes: as much
// as nearly every packet takes.
const readBuffer = 512

// readHead reads a packet's type, flags and length (MQTT 5 §2.1), and refuses one that is
// larger than any may be before it takes memory for it.
func readHead(in *bufio.Reader) (h packets.FixedHeader, err error) {
	first, err := in.ReadByte()
	if err != nil {
		return h, err
	}
	if err := h.Decode(first); err != nil {
		return h, err
	}
	const longest = 4 // bytes of a length, MQTT 5 §1.5.5
	for i := range longest {
		b, err := in.ReadByte()
		if err != nil {
			return h, err
		}
		h.Remaining |= int(b&0x7F) << (7 * i)
		if b < 0x80 {
			if 1+i+1+h.Remaining > wire.MaxPacket {
				return h, packets.ErrPacketTooLarge
			}
			return h, nil
		}
	}
	return h, packets.ErrMalformedVariableByteInteger
}

// readBody reads and decodes the rest of a packet into pk, which is zero. It shares memory with
// nothing else, so that its parts may be kept. A Packet takes a kilobyte: as a result it would take
// another one of the reader's stack.
func readBody(in *bufio.Reader, h packets.FixedHeader, version byte, pk *packets.Packet) error {
	pk.FixedHeader, pk.ProtocolVersion = h, version
	body := make([]byte, h.Remaining)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	var err error
	switch h.Type {
	case packets.Connect:
		err = pk.ConnectDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Puback:
		err = pk.PubackDecode(body)
	case packets.Subscribe:
		err = pk.SubscribeDecode(body)
	case packets.Unsubscribe:
		err = pk.UnsubscribeDecode(body)
	case packets.Disconnect:
		err = pk.DisconnectDecode(body)
		if version == mqtt.V5 && len(body) == 1 { // which the library passes over
			pk.ReasonCode = body[0]
		}
	}
	if err != nil {
		return fmt.Errorf("packet type %d of %d bytes: %w", h.Type, h.Remaining, err)
	}
	return nil
}
