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
	sent    *redis.Cmd
	devices []fleet.Device
}

func (op *read) Key() string { return keys.Holders(op.id) }

func (op *read) Queue(p redis.Pipeliner, _ bool) {
	before, after := keys.Around(op.id)
	op.sent = p.EvalSha(context.Background(), Script.SHA, []string{keys.Holders(op.id)}, before, after, Most)
}

func (op *read) Settle(bool) error {
	rows, err := op.sent.Slice()
	if err != nil {
		return err
	}
	op.devices = make([]fleet.Device, 0, len(rows))
	for _, row := range rows {
		if d, err := device(op.id, row.([]any)); err == nil {
			op.devices = append(op.devices, d)
		}
	}
	return nil
}

// device reads a row of the script's reply.
func device(id fleet.DeviceID, row []any) (d fleet.Device, err error) {
	words := row[1].([]any)
	fields := make(map[string]string, len(words)/2)
	for i := 0; i+1 < len(words); i += 2 {
		fields[words[i].(string)] = words[i+1].(string)
	}
	d.ID = id.In(fleet.TeamID(record.Decimal(row[0].(string))))
	err = record.ReadDevice(fields, &d)
	return d, err
}
