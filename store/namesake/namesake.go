// Package namesake reads the devices of several teams that have one id.
package namesake

import (
	"context"
	_ "embed"

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

// Read returns the records of the oldest devices with the id of id, at most Most, oldest first, in one
// trip. It leaves out what can't be read: that must not keep the devices of other teams out.
func Read(ctx context.Context, p *pipeline.Pipeline, id fleet.DeviceID) ([]fleet.Device, error) {
	op := &read{id: id}
	if err := p.Read(ctx, op); err != nil {
		return nil, err
	}
	return op.devices, nil
}

type read struct {
	id      fleet.DeviceID
	sent    *redis.StringSliceCmd
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
	op.devices = make([]fleet.Device, 0, 1)
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
		clear(fields)
	}
	return nil
}
