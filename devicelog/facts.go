package devicelog

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/muster-iot/muster/wire"
)

const (
	perFact   = 5   // earlier values kept of one fact
	maxFacts  = 448 // bytes of all of them; Redis keeps hashes with longer fields in far more room
	maxName   = 64  // bytes of a fact's path; those of longer ones are not kept
	maxLength = 64  // bytes of a value; the rest is cut off
)

// Value is what a fact was until it changed.
type Value struct {
	Fact  string // its path, such as modem.version
	Text  string
	Until time.Time // when a Hello had another one, to the second
}

// Values returns the earlier values in packed, newest first. It ignores what it can't read.
func Values(packed string) (list []Value) {
	rest := []byte(packed)
	for len(rest) > 0 {
		until, n := binary.Uvarint(rest)
		if n <= 0 {
			return list
		}
		rest = rest[n:]
		name, ok := cut(&rest)
		text, also := cut(&rest)
		if !ok || !also {
			return list
		}
		list = append(list, Value{name, text, time.Unix(int64(until), 0).UTC()})
	}
	return list
}

// cut removes the first text of rest.
func cut(rest *[]byte) (text string, ok bool) {
	size, n := binary.Uvarint(*rest)
	if n <= 0 || size > uint64(len(*rest)-n) {
		return "", false
	}
	text, *rest = string((*rest)[n:n+int(size)]), (*rest)[n+int(size):]
	return text, true
}

// Changed returns packed with the values of before that after does not have. Both are facts as a
// Hello reports them. A fact that changes often never displaces the last value of one that changes
// rarely.
func Changed(packed string, before, after []byte, now time.Time) string {
	if len(before) == 0 || bytes.Equal(before, after) {
		return packed
	}
	is := texts(after)
	var list []Value
	old := texts(before)
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if was := old[name]; was != is[name] && len(name) <= maxName {
			list = append(list, Value{name, clip(was), now})
		}
	}
	return bounded(append(list, Values(packed)...))
}

// texts returns the value of each fact; those of a list are joined.
func texts(facts []byte) map[string]string {
	all := map[string]string{}
	wire.EachFact(facts, func(path, value string) {
		if before, more := all[path]; more {
			value = before + ", " + value
		}
		all[path] = value
	})
	return all
}

func clip(text string) string {
	if len(text) <= maxLength {
		return text
	}
	at := maxLength
	for !utf8.RuneStart(text[at]) {
		at--
	}
	return text[:at]
}

// bounded packs list, newest first, without the oldest values of the facts that have most of them
// as long as there are too many.
func bounded(list []Value) string {
	size, of := 0, map[string]int{}
	for _, v := range list {
		size += packedSize(v)
		of[v.Fact]++
	}
	for drop := true; drop; {
		most, last := "", -1
		for i, v := range list { // the last of those that have most
			if of[v.Fact] >= of[most] {
				most, last = v.Fact, i
			}
		}
		if drop = last >= 0 && (of[most] > perFact || size > maxFacts); drop {
			size -= packedSize(list[last])
			of[most]--
			list = append(list[:last], list[last+1:]...)
		}
	}
	text := make([]byte, 0, size)
	for _, v := range list {
		text = appendValue(text, v)
	}
	return string(text)
}

func packedSize(v Value) int { return len(appendValue(nil, v)) }

func appendValue(text []byte, v Value) []byte {
	text = binary.AppendUvarint(text, uint64(max(v.Until.Unix(), 0)))
	for _, part := range []string{v.Fact, v.Text} {
		text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
	}
	return text
}
