package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// demoImage returns a firmware image of size bytes for simulated devices: a line with product
// and version, then incompressible data.
func demoImage(product string, version uint32, size int) []byte {
	image := fmt.Appendf(nil, "%s firmware %d\n", product, version)
	noise := rand.NewPCG(uint64(version), uint64(size))
	for len(image) < size {
		image = binary.LittleEndian.AppendUint64(image, noise.Uint64())
	}
	return image[:size]
}
