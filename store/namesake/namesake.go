// Package namesake reads the devices of several teams that have one id.
package namesake

import (
	"context"
	_ "embed"
	"hash/maphash"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

// Most is how many devices with one id are read (docs/protocol.md, "Credentials").
const Most = fleet.MostNamesakes

//go:embed read.lua
var source string

// Script must be known to the pipeline.
var Script = pipeline.NewScript(source)

// remembered is how many ids a Reader caches the team of, 8 bytes each.
const remembered = 1 << 18

// Reader reads devices by their ids alone. It is safe for concurrent use.
type Reader struct {
	redis *pipeline.Pipeline
	seed  maphash.Seed
	// sole has, by a hash of the id, half of that hash and the team of the only device with the id, when
	// it was last read. For those the script, which takes 8 µs more, is not needed.
	sole []atomic.Uint64
}

// New returns a Reader.
func New(p *pipeline.Pipeline) *Reader {
	return &Reader{redis: p, seed: maphash.MakeSeed(), sole: make([]atomic.Uint64, remembered)}
}

// Read returns the records of the oldest devices with the id of id, at most Most, oldest first. It takes
// one trip, and a second one if a team has got or lost the id since it was last read here. It leaves out
// what can't be read: that must not keep the devices of other teams out.
func (r *Reader) Read(ctx context.Context, id fleet.DeviceID) ([]fleet.Device, error) {
	hash := maphash.String(r.seed, id.String())
	sole := &r.sole[hash%remembered]
	if known := sole.Load(); known != 0 && known>>32 == hash>>32 {
		op := &readSole{id: id.In(fleet.TeamID(known))}
		if err := r.redis.Read(ctx, op); err != nil {
			return nil, err
		}
		if op.is {
			return op.device[:], nil
		}
	}
	op := &read{id: id}
	if err := r.redis.Read(ctx, op); err != nil {
		return nil, err
	}
	if op.holders == 1 && len(op.devices) == 1 {
		sole.Store(hash>>32<<32 | uint64(op.devices[0].Team))
	}
	return op.devices, nil
}

// readSole reads the record of a device, and whether no other team has its id.
type readSole struct {
	id      fleet.DeviceID
	holders *redis.IntCmd // how many teams have the id
	sent    *redis.MapStringStringCmd
	is      bool // it has a record that can be read, and no other team has the id
	device  [1]fleet.Device
}

func (op *readSole) Key() string { return keys.Holders(op.id) }

func (op *readSole) Queue(p redis.Pipeliner, _ bool) {
	ctx := context.Background()
	op.holders = p.ZCard(ctx, keys.Holders(op.id))
	op.sent = p.HGetAll(ctx, keys.Device(op.id))
}

func (op *readSole) Settle(bool) error {
	holders, err := op.holders.Result()
	if err != nil {
		return err
	}
	fields, err := op.sent.Result()
	if err != nil {
		return err
	}
	d := &op.device[0]
	*d = fleet.Device{ID: op.id}
	op.is = holders == 1 && len(fields) > 0 && record.ReadDevice(fields, d) == nil // the scripts keep both together: who has a record is a holder
	return nil
}

type read struct {
	id      fleet.DeviceID
	sent    *redis.StringSliceCmd
	holders int
	devices []fleet.Device
}

func (op *read) Key() string { return keys.Holders(op.id) }

func (op *read) Queue(p redis.Pipeliner, _ bool) {
	ctx := context.Background()
	before, after := keys.Around(op.id)
	op.sent = redis.NewStringSliceCmd(ctx, "evalsha", Script.SHA, 1, keys.Holders(op.id), before, after, Most)
	_ = p.Process(ctx, op.sent) // which queues it
}

func (op *read) Settle(bool) error {
	words, err := op.sent.Result()
	if err != nil {
		return err
	}
	op.holders, op.devices = 0, nil
	fields := make(map[string]string, len(words)/2)
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] != "" {
			fields[words[i]] = words[i+1]
			continue
		}
		d := fleet.Device{ID: op.id.In(fleet.TeamID(record.Decimal(words[i+1])))}
		if record.ReadDevice(fields, &d) == nil {
			op.devices = append(op.devices, d)
		}
		op.holders++
		clear(fields)
	}
	return nil
}
