package feed

import (
	_ "embed"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

//go:embed row.lua
var rowSource string

// Noting returns the script that carries out a write of a record and notes it. source is the write: it
// returns 1 if it was carried out. Row appends its keys and arguments.
func Noting(source string) *pipeline.Script {
	return pipeline.NewScript(strings.Replace(rowSource, "--WRITE\n", source, 1))
}

// Row is what a write notes: the state of a device after it, or that it is deleted.
type Row struct {
	Device   *fleet.Device // of a deleted one, only the ID
	Revision uint64        // after the write; 0: it is deleted
	Nonce    string        // of the write
	First    int           // the place of what the index looks at in the arguments of the write
	Last     int           // the place after it
}

// Append appends to the keys and arguments of a write what its script from Noting needs besides.
func (f *Feed) Append(names []string, args []any, r Row) ([]string, []any) {
	part, revision := keys.Bucket(r.Device.ID), ""
	if r.Revision > 0 {
		revision = strconv.FormatUint(r.Revision, 10)
	}
	names = append(names, keys.Tags(part), keys.Feed(part))
	return names, append(args, f.config.Kept, keys.Name(r.Device.ID), revision, r.Nonce, tagField(r.Device.Product), r.First+1, r.Last)
}

func tagField(product fleet.ProductID) string { return "p" + product.String() }

// Noted is the reply of a script from Noting.
type Noted struct {
	Status int64  // of the write
	Seq    uint64 // the number of its entry, if Status is 1
	Tag    string // of the product's catalog; "": there is none
}

var errReply = errors.New("feed: a script replied something else than it does")

// ReadNoted reads the reply of a script from Noting.
func ReadNoted(sent *redis.Cmd) (n Noted, err error) {
	words, err := sent.Slice()
	if err != nil {
		return n, err
	}
	ok := len(words) > 0
	if ok {
		n.Status, ok = words[0].(int64)
	}
	if ok && len(words) == 3 {
		seq, _ := words[1].(int64)
		n.Seq = uint64(seq)
		n.Tag, ok = words[2].(string)
	}
	if !ok {
		err = errReply
	}
	return n, err
}

// entry is one write in a feed.
type entry struct {
	seq    uint64
	id     string // of the device, or of the product
	nonce  string
	on     string // nonce of the entry before
	fields map[string]string
}

// gone reports whether the device was deleted.
func (e *entry) gone() bool { return e.fields["r"] == "" }

func readEntry(m redis.XMessage) entry {
	number, _, _ := strings.Cut(m.ID, "-")
	e := entry{fields: make(map[string]string, len(m.Values))}
	e.seq, _ = strconv.ParseUint(number, 10, 64)
	for field, value := range m.Values {
		e.fields[field], _ = value.(string)
	}
	e.id, e.nonce, e.on = e.fields["id"], e.fields["w"], e.fields["on"]
	return e
}
