package store

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// A packed record is a sequence of fields: one byte tag, the length as a uvarint, the
// bytes. Zero values are left out and unknown tags skipped, so fields can be added.
// Tags are never renumbered.

type packer struct{ data []byte }

func (p *packer) text(tag byte, s string) {
	if s == "" {
		return
	}
	p.data = append(p.data, tag)
	p.data = binary.AppendUvarint(p.data, uint64(len(s)))
	p.data = append(p.data, s...)
}

func (p *packer) bytes(tag byte, b []byte) {
	if len(b) > 0 {
		p.text(tag, string(b))
	}
}

func (p *packer) number(tag byte, n uint64) {
	if n != 0 {
		p.bytes(tag, binary.AppendUvarint(nil, n))
	}
}

func (p *packer) flag(tag byte, set bool) {
	if set {
		p.number(tag, 1)
	}
}

func (p *packer) time(tag byte, t time.Time) {
	if !t.IsZero() {
		p.bytes(tag, binary.AppendUvarint(nil, uint64(t.UnixNano()))) // also of 1970, which is 0
	}
}

func (p *packer) version(tag byte, v fleet.Version) { p.text(tag, v.String()) }

func (p *packer) groups(tag byte, ids []fleet.GroupID) { p.text(tag, joinGroups(ids)) }

func (p *packer) String() string { return string(p.data) }

// packed is the value of one field of a packed record.
type packed string

func (v packed) number() uint64 {
	n, _ := binary.Uvarint([]byte(v))
	return n
}

func (v packed) time() time.Time        { return time.Unix(0, int64(v.number())).UTC() }
func (v packed) version() fleet.Version { return fleet.ReportedVersion(string(v)) }
func (v packed) groups() []fleet.GroupID {
	return splitGroups(string(v))
}

var errRecord = errors.New("store: a record can't be read")

// unpack calls field for each field of record.
func unpack(record string, field func(tag byte, v packed)) error {
	for record != "" {
		tag := record[0]
		size, n := binary.Uvarint([]byte(record[1:min(len(record), 11)]))
		if n <= 0 || size > uint64(len(record)-1-n) {
			return errRecord
		}
		end := 1 + n + int(size)
		field(tag, packed(record[1+n:end]))
		record = record[end:]
	}
	return nil
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
