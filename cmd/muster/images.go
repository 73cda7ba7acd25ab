package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// demoImage is the firmware image of one version for simulated devices: a header that
// says what it is, then size bytes that no compression would shrink.
func demoImage(product string, version uint32, size int) []byte {
	image := fmt.Appendf(nil, "%s firmware %d\n", product, version)
	noise := rand.NewPCG(uint64(version), uint64(size))
	for len(image) < size {
		image = binary.LittleEndian.AppendUint64(image, noise.Uint64())
	}
	return image[:size]
}
