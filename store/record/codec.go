package record

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// ErrBroken is returned for a record that can't be read.
var ErrBroken = errors.New("store: a record can't be read")

// Codec packs values of type T. list visits the fields of a value in ascending order of tags.
type Codec[T any] struct {
	list func(f *fields, value *T)
}

// Pack returns value as a record, "" if all its fields are zero.
func (c Codec[T]) Pack(value *T) string {
	f := fields{packing: true}
	c.list(&f, value)
	return string(f.record)
}

// Unpack sets the fields of value that record has and leaves the others. It returns ErrBroken
// for a record that Pack didn't write. The value may share memory with record.
func (c Codec[T]) Unpack(record string, value *T) error {
	f := fields{rest: record}
	c.list(&f, value)
	for f.rest != "" && !f.broken { // fields of a later version
		_, _ = f.cut()
	}
	if f.broken {
		return ErrBroken
	}
	return nil
}

// fields is a record being packed or unpacked.
type fields struct {
	packing bool
	record  []byte // packing: what was packed so far
	rest    string // unpacking: what was not yet unpacked
	broken  bool
}

// put appends a field, unless it is empty.
func (f *fields) put(tag byte, value string) {
	if value == "" {
		return
	}
	f.grow()
	f.record = append(f.record, tag)
	f.record = binary.AppendUvarint(f.record, uint64(len(value)))
	f.record = append(f.record, value...)
}

// grow makes room for a record of usual size before its first field; many have none.
func (f *fields) grow() {
	if f.record == nil {
		f.record = make([]byte, 0, 192)
	}
}

// putNumber appends a field, also of 0.
func (f *fields) putNumber(tag byte, n uint64) {
	var text [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(text[:], n)
	f.grow()
	f.record = append(f.record, tag, byte(size))
	f.record = append(f.record, text[:size]...)
}

// take returns the value of the field with this tag and whether the record has one. It skips
// fields with lower tags.
func (f *fields) take(tag byte) (value string, ok bool) {
	for f.rest != "" && f.rest[0] <= tag {
		at, value := f.cut()
		if at == tag {
			return value, !f.broken
		}
	}
	return "", false
}

// cut removes the first field.
func (f *fields) cut() (tag byte, value string) {
	tag = f.rest[0]
	size, n := uvarint(f.rest[1:])
	if n <= 0 || size > uint64(len(f.rest)-1-n) {
		f.broken, f.rest = true, ""
		return tag, ""
	}
	end := 1 + n + int(size)
	value, f.rest = f.rest[1+n:end], f.rest[end:]
	return tag, value
}

// uvarint decodes a varint, like binary.Uvarint: the number and how many bytes it takes, 0 or fewer
// for none.
func uvarint(s string) (value uint64, n int) {
	if s != "" && s[0] < 0x80 { // nearly all
		return uint64(s[0]), 1
	}
	return binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
}

func text[S ~string](f *fields, tag byte, s *S) {
	if f.packing {
		f.put(tag, string(*s))
	} else if value, ok := f.take(tag); ok {
		*s = S(value)
	}
}

// device visits the id of a device, whose team is where the record is kept.
func device(f *fields, tag byte, id *fleet.DeviceID) {
	if f.packing {
		f.put(tag, id.String())
	} else if value, ok := f.take(tag); ok {
		*id = fleet.DeviceID(value)
	}
}

func blob(f *fields, tag byte, b *[]byte) {
	if f.packing {
		f.put(tag, string(*b))
	} else if value, ok := f.take(tag); ok {
		*b = []byte(value)
	}
}

// array visits the bytes of an array, which is zero if all of them are.
func array(f *fields, tag byte, b []byte) {
	if !f.packing {
		value, _ := f.take(tag)
		copy(b, value)
		return
	}
	for _, each := range b {
		if each != 0 {
			f.put(tag, string(b))
			return
		}
	}
}

func number[N ~int | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64](f *fields, tag byte, n *N) {
	if !f.packing {
		if value, ok := f.take(tag); ok {
			all, _ := uvarint(value)
			*n = N(all)
		}
	} else if *n != 0 {
		f.putNumber(tag, uint64(*n))
	}
}

func flag(f *fields, tag byte, set *bool) {
	if !f.packing {
		if value, ok := f.take(tag); ok {
			*set = value == "\x01"
		}
	} else if *set {
		f.putNumber(tag, 1)
	}
}

// instant visits a time: the ns since 1970, which may be 0.
func instant(f *fields, tag byte, t *time.Time) {
	if !f.packing {
		if value, ok := f.take(tag); ok {
			ns, _ := uvarint(value)
			*t = time.Unix(0, int64(ns)).UTC()
		}
	} else if !t.IsZero() {
		f.putNumber(tag, uint64(t.UnixNano()))
	}
}

func version(f *fields, tag byte, v *fleet.Version) {
	if f.packing {
		f.put(tag, v.String())
	} else if value, ok := f.take(tag); ok {
		*v = fleet.ReportedVersion(value)
	}
}

// words visits texts without line ends.
func words(f *fields, tag byte, all *[]string) {
	if f.packing {
		f.put(tag, strings.Join(*all, "\n"))
	} else if value, ok := f.take(tag); ok {
		*all = strings.Split(value, "\n")
	}
}

func groups(f *fields, tag byte, ids *[]fleet.GroupID) {
	if f.packing {
		f.put(tag, joinGroups(*ids))
	} else if value, ok := f.take(tag); ok {
		*ids = splitGroups(value)
	}
}

func joinGroups(ids []fleet.GroupID) string {
	if len(ids) == 0 {
		return ""
	}
	text := make([]byte, 0, 8*len(ids))
	for i, id := range ids {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, uint64(id), 10)
	}
	return string(text)
}

func splitGroups(text string) []fleet.GroupID {
	if text == "" {
		return nil
	}
	ids := make([]fleet.GroupID, 0, 1+strings.Count(text, ","))
	for word := range strings.SplitSeq(text, ",") {
		if n, err := strconv.ParseUint(word, 10, 32); err == nil {
			ids = append(ids, fleet.GroupID(n))
		}
	}
	return ids
}
