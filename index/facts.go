package index

import (
	"hash/maphash"
	"strings"

	"github.com/muster-iot/muster/wire"
)

// A fact takes factBytes of memory however long it is: a mark and 63 bits of a hash of its path
// and value, in bytes that are neither zero nor the mark. Two facts have the same hash once in
// 2^63 pairs.
const (
	factMark  = 1
	factBytes = 10
)

// factText is what the text of a device's facts contains if this is one of them.
func (x *Index) factText(path, value string) string {
	sum := maphash.String(x.seed, path+"\x00"+strings.ToLower(value))
	text := [factBytes]byte{factMark}
	for i := 1; i < factBytes; i++ {
		text[i] = 0x80 | byte(sum)
		sum >>= 7
	}
	return string(text[:])
}

// factsText is the facts of a device, encoded, as a textBlock holds them.
func (x *Index) factsText(facts []byte) string {
	var all strings.Builder
	wire.EachFact(facts, func(path, value string) { all.WriteString(x.factText(path, value)) })
	return all.String()
}
