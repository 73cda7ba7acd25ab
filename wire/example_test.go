package wire_test

import (
	"crypto/sha256"
	"fmt"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// A device sends Hello and gets an Offer, in bytes, on the topics of the device.
func Example() {
	topic := wire.Topic{Speaker: "dev-1", Kind: wire.TopicHello}
	hello := wire.NewHello(fleet.WholeVersion(7))
	hello.Chunk, hello.Window = 1024, 16
	fmt.Printf("%s %x\n", topic, hello.Encode())

	got, err := wire.DecodeHello(hello.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	image := make([]byte, 10_000)
	size := wire.ChunkSize(got.Chunk)
	offer := wire.Offer{
		Update: fleet.UpdateID{1}, Version: fleet.WholeVersion(8), Digest: sha256.Sum256(image),
		Size: int64(len(image)), Chunk: size, Count: wire.ChunkCount(int64(len(image)), size),
	}
	fmt.Printf("it runs %s and is offered %s in %d chunks of %d bytes\n", got.Version, offer.Version, offer.Count, offer.Chunk)

	// Output:
	// d/dev-1/up/hello a400010107041904000510
	// it runs 7 and is offered 8 in 10 chunks of 1024 bytes
}

// A topic that is not part of the protocol is refused.
func ExampleParseTopic() {
	t, err := wire.ParseTopic("d/gw-1/b/ble-7/up/want")
	fmt.Println(t.Speaker, t.Device(), err)
	_, err = wire.ParseTopic("d/gw-1/up/secret")
	fmt.Println(err)

	// Output:
	// gw-1 ble-7 <nil>
	// topic "d/gw-1/up/secret" is not part of the protocol
}

// A message over a limit is refused with the reason code that the device gets.
func ExampleRefusal() {
	_, err := wire.DecodeWant(wire.Want{Count: wire.MaxWant + 1}.Encode())
	fmt.Println(err)

	// Output:
	// key 2, count: 65, 1 to 64 are allowed
}
