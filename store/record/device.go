package record

import (
	"cmp"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Arguments are those of the script that writes a record.
type Arguments struct {
	All    []any
	Row    int    // the fields that the index looks at end here in All
	Fields uint64 // for Base.Fields, once it is saved
	Gone   []any  // names of the fields that the record had by then, and has no more
}

// AppendDevice appends the fields and values of d's hash to args, without those that are zero.
// Values are pointers, some into d, which must not change before args are sent. The scripts
// write the revision and what it was written by.
func AppendDevice(args []any, d *fleet.Device) Arguments {
	h := hash{args: args, values: make([]string, 0, 24), had: d.Base.Fields}
	h.keepLetters(d)
	h.indexed(d)
	row := len(h.args)
	h.unindexed(d)
	h.next("")
	h.keepFields(d)
	return Arguments{h.args, row, h.has, h.gone}
}

// ReadDevice sets the fields of d that its hash has; d's ID is the caller's to set. It returns
// ErrBroken for a hash that can't be read, or that is of another team than d's ID, unless that is "".
// The strings of fields are kept.
func ReadDevice(fields map[string]string, d *fleet.Device) error {
	h := hash{reading: true, fields: fields}
	h.indexed(d)
	h.unindexed(d)
	h.next("")
	d.Revision, d.Later = Decimal(fields["r"]), h.later()
	d.Base = fleet.Base{Written: fields["w"], Node: d.Node, Fields: h.has}
	if d.ID != "" && d.ID.Team() != d.Team {
		return ErrBroken
	}
	return h.err
}

// indexed visits the fields that the index looks at. Numbers and times are decimal: Redis keeps those
// up to 64 bits in 9 bytes.
func (h *hash) indexed(d *fleet.Device) {
	decimals(h, "t", &d.Team)
	decimals(h, "p", &d.Product)
	decimals(h, "k", &d.Kind)
	h.gateway("gw", d)
	h.text("n", &d.Name)
	h.text("no", &d.Notes)
	h.groups("g", &d.Groups)
	h.flags("f", letter{"x", &d.Disabled}, letter{"d", &d.Development}, letter{"F", &d.Force},
		letter{"u", &d.UpdatesOn}, letter{"o", &d.Differs}, letter{"p", &d.Proven})
	h.version("l", &d.Lock)
	h.version("v", &d.Running)
	h.text("hw", &d.Hardware)
	h.text("tz", &d.Zone)
	decimals(h, "mi", &d.MaxImage)
	h.blob("fa", &d.Facts)
	packed(h, "u", Update, &d.Update)
	packed(h, "a", Attempts, &d.Attempts)
	h.instant("lh", &d.LastHandshake)
	h.text("nd", &d.Node)
}

// unindexed visits the other fields.
func (h *hash) unindexed(d *fleet.Device) {
	h.secret("s", &d.Secret)
	h.version("fl", &d.Flash)
	h.version("lb", &d.Label)
	h.text("fp", &d.Foreign)
	decimals(h, "b", &d.Boot)
	h.boots("be", &d.Earlier)
	decimals(h, "se", &d.Session)
	decimals(h, "ct", &d.Connected)
	decimals(h, "lc", &d.LastCommand)
	decimals(h, "pc", &d.Pending)
	h.text("ip", &d.Address)
	h.instant("c", &d.Created)
	h.instant("le", &d.LastHeard)
	h.text("fh", &d.OldFacts)
	h.text("cx", &d.Contacts)
}

// hash is a device's hash being written or read.
type hash struct {
	reading bool
	fields  map[string]string // reading: the hash; writing: what is kept of it
	args    []any             // writing: fields and values so far
	values  []string          // writing: what args point to, since a string as an argument costs an allocation
	err     error

	field    name   // that is being visited
	bit      uint64 // of that
	holds    bool   // it is in the hash
	has, had uint64 // the bits of those that are in the hash; writing: and of those that were
	gone     []any  // writing: those that were, and are not any more
}

// next begins the visit of a field, and ends that of the one before. "" is behind the last one.
func (h *hash) next(field name) {
	switch {
	case h.holds:
		h.has |= h.bit
	case h.had&h.bit != 0:
		h.gone = append(h.gone, h.field)
	}
	h.field, h.bit, h.holds = field, max(1, h.bit<<1), false
}

// read returns the value of a field, and whether there is one.
func (h *hash) read(field name) (value string, ok bool) {
	value, ok = h.fields[field.(string)]
	h.holds = ok
	return value, ok
}

// name is the constant string that names a field of the hash. As an interface from the start it
// becomes an argument of a command without an allocation.
type name = any

func (h *hash) put(field name, value string) {
	if value != "" {
		h.holds = true
		h.values = append(h.values, value) // when this moves them, args keep pointing to the old ones
		h.args = append(h.args, field, &h.values[len(h.values)-1])
	}
}

func (h *hash) text(field name, s *string) {
	h.next(field)
	if h.reading {
		*s, _ = h.read(field)
	} else if *s != "" {
		h.holds = true
		h.args = append(h.args, field, s)
	}
}

// gateway visits the gateway of d, whose team it is in.
func (h *hash) gateway(field name, d *fleet.Device) {
	h.next(field)
	if h.reading {
		id, _ := h.read(field)
		d.Gateway = fleet.DeviceID(id).In(d.Team)
	} else {
		h.put(field, d.Gateway.String())
	}
}

func (h *hash) blob(field name, b *[]byte) {
	h.next(field)
	if !h.reading {
		h.put(field, string(*b))
	} else if value, ok := h.read(field); ok {
		*b = []byte(value)
	}
}

func (h *hash) secret(field name, s *fleet.Secret) {
	h.next(field)
	if h.reading {
		value, _ := h.read(field)
		copy(s[:], value)
	} else if *s != (fleet.Secret{}) {
		h.put(field, string(s[:]))
	}
}

func (h *hash) boots(field name, boots *fleet.Boots) {
	h.next(field)
	if !h.reading {
		if *boots != (fleet.Boots{}) {
			var text []byte
			for _, boot := range boots {
				text = binary.BigEndian.AppendUint64(text, boot)
			}
			h.put(field, string(text))
		}
		return
	}
	value, _ := h.read(field)
	text := []byte(value)
	for i := range boots {
		if len(text) >= 8 {
			boots[i], text = binary.BigEndian.Uint64(text), text[8:]
		}
	}
}

func (h *hash) version(field name, v *fleet.Version) {
	h.next(field)
	if !h.reading {
		h.put(field, v.String())
	} else if value, ok := h.read(field); ok {
		*v = fleet.ReportedVersion(value)
	}
}

func (h *hash) groups(field name, ids *[]fleet.GroupID) {
	h.next(field)
	if !h.reading {
		h.put(field, joinGroups(*ids))
	} else {
		value, _ := h.read(field)
		*ids = splitGroups(value)
	}
}

// letter is one of the booleans that share a field: the field has the letters of those that hold.
type letter struct {
	text  string
	holds *bool
}

func (h *hash) flags(field name, letters ...letter) {
	h.next(field)
	value, _ := h.read(field)
	h.holds = h.holds && h.reading
	for _, l := range letters {
		switch {
		case h.reading:
			*l.holds = strings.Contains(value, l.text)
		case *l.holds:
			value += l.text
		}
	}
	if !h.reading {
		h.put(field, value)
	}
}

func (h *hash) instant(field name, t *time.Time) {
	h.next(field)
	if !h.reading {
		if !t.IsZero() {
			h.put(field, strconv.FormatInt(t.UnixNano(), 10))
		}
	} else if value, ok := h.read(field); ok {
		ns, _ := strconv.ParseInt(value, 10, 64)
		*t = time.Unix(0, ns).UTC()
	}
}

func decimals[N ~uint8 | ~uint32 | ~uint64](h *hash, field name, n *N) {
	h.next(field)
	if h.reading {
		if value, ok := h.read(field); ok {
			*n = N(Decimal(value))
		}
	} else if *n != 0 {
		h.put(field, strconv.FormatUint(uint64(*n), 10))
	}
}

func packed[T any](h *hash, field name, codec Codec[T], value *T) {
	h.next(field)
	if !h.reading {
		h.put(field, codec.Pack(value))
	} else if text, ok := h.read(field); ok {
		h.err = cmp.Or(h.err, codec.Unpack(text, value))
	}
}

// Decimal returns the number that s is, 0 if it is not one.
func Decimal(s string) uint64 {
	if s == "" {
		return 0 // without the error's allocation
	}
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}
