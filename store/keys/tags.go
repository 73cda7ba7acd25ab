package keys

import (
	"strconv"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/slots"
)

// Buckets is how many parts the devices are divided into. Everything about a device is in the slot
// of its bucket, so that one script can write all of it.
const Buckets = 256

const slotsPerBucket = slots.Count / Buckets

// tags are the tags of the buckets: of bucket n, the shortest decimal whose slot is in
// [64n, 64n+63], so that any number of masters up to 64 has its share of the buckets.
var tags = func() (t [Buckets]string) {
	for n, found := 0, 0; found < Buckets; n++ {
		tag := strconv.Itoa(n)
		if b := slots.Of(tag) / slotsPerBucket; t[b] == "" {
			t[b] = tag
			found++
		}
	}
	return t
}()

// Marks are hashes in equal parts of the slots, four buckets each, so that each master of a Cluster
// holds some.
var Marks = func() (m [Buckets / 4]string) {
	for part := range m {
		first := tags[4*part]
		for _, tag := range tags[4*part+1 : 4*part+4] {
			if len(tag) < len(first) || len(tag) == len(first) && tag < first {
				first = tag
			}
		}
		m[part] = "id:{" + first + "}"
	}
	return m
}()

// Bucket returns the bucket of a device: FNV-1a of its id alone, in 32 bits.
func Bucket(device fleet.DeviceID) int {
	hash, id := uint32(2166136261), device.String()
	for i := range len(id) {
		hash = (hash ^ uint32(id[i])) * 16777619
	}
	return int(hash % Buckets)
}

// bucketed are the beginnings of one kind of key, by bucket.
type bucketed [Buckets]string

func perBucket(kind string) *bucketed {
	var b bucketed
	for n, tag := range tags {
		b[n] = kind + ":{" + tag + "}:"
	}
	return &b
}

// of returns the key of a device. An id without its team has one that nothing is kept under: reading
// finds nothing and a change changes nothing.
func (b *bucketed) of(id fleet.DeviceID) string {
	if id.Team() == 0 {
		return b[Bucket(id)] + "/" + id.String()
	}
	return b[Bucket(id)] + string(id)
}
