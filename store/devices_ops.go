package store

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/record"
)

type loadDevice struct {
	id     fleet.DeviceID
	sent   *redis.MapStringStringCmd
	device fleet.Device
}

func (op *loadDevice) Key() string { return keys.Device(op.id) }

func (op *loadDevice) Queue(p redis.Pipeliner, _ bool) {
	op.sent = p.HGetAll(context.Background(), keys.Device(op.id))
}

func (op *loadDevice) Settle(bool) error {
	fields, err := op.sent.Result()
	if err != nil {
		return err
	}
	if len(fields) == 0 {
		return noDevice(op.id)
	}
	op.device.ID = op.id
	return record.ReadDevice(fields, &op.device)
}

type saveDevice struct {
	store   *Devices
	device  fleet.Device // at the revision it was read at; once written, at the new one
	ended   []fleet.Update
	nonce   string
	sent    *redis.Cmd
	rev     *redis.StringCmd // nil in a Cluster, where another master may hold the catalog
	catalog uint64
}

func (op *saveDevice) Key() string { return keys.Device(op.device.ID) }

func (op *saveDevice) Queue(p redis.Pipeliner, _ bool) {
	d := &op.device
	args := make([]any, 0, 64)
	args = append(args, strconv.FormatUint(d.Revision, 10), &d.Written, strconv.FormatUint(d.Revision+1, 10), op.nonce,
		len(op.ended), op.store.core.keep.Updates)
	for i := range op.ended {
		args = append(args, record.Update.Pack(&op.ended[i]))
	}
	args = record.AppendDevice(args, d)
	op.sent = p.EvalSha(context.Background(), saveScript.SHA, []string{keys.Device(d.ID), keys.History(d.ID)}, args...)
	if !op.store.core.Clustered() {
		op.rev = p.HGet(context.Background(), keys.Product(d.Product), "rev")
	}
}

func (op *saveDevice) Settle(bool) error {
	status, err := op.sent.Int64()
	if err != nil {
		return err
	}
	if op.rev != nil {
		if err := op.rev.Err(); err != nil && !absent(err) {
			return err // the operation is retried: the script recognizes its own write
		}
	}
	switch status {
	case 0:
		return fleet.Errorf(fleet.Conflict, "device %s was changed meanwhile", op.device.ID)
	case -1:
		return noDevice(op.device.ID)
	}
	if op.rev == nil {
		op.catalog = op.store.catalogs.docs.Newest(op.device.Product)
	} else {
		op.catalog = record.Decimal(op.rev.Val())
		op.store.catalogs.docs.Saw(op.device.Product, op.catalog)
	}
	op.device.Revision++
	op.device.Written = op.nonce
	op.store.index.Put(&op.device)
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *saveDevice) Doubt() { op.store.core.recovery.doubt(op.device.ID) }

type createDevice struct {
	store  *Devices
	device fleet.Device
	nonce  string
	sent   *redis.Cmd
}

func (op *createDevice) Key() string { return keys.Device(op.device.ID) }

func (op *createDevice) Queue(p redis.Pipeliner, _ bool) {
	d := &op.device
	args := append(make([]any, 0, 48), strconv.FormatUint(d.Revision, 10), op.nonce)
	op.sent = p.EvalSha(context.Background(), createScript.SHA, []string{keys.Device(d.ID)}, record.AppendDevice(args, d)...)
}

func (op *createDevice) Settle(bool) error {
	status, err := op.sent.Int64()
	if err != nil {
		return err
	}
	if status == 0 {
		return fleet.Errorf(fleet.Conflict, "device %s exists already", op.device.ID)
	}
	op.device.Written = op.nonce
	op.store.index.Put(&op.device)
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *createDevice) Doubt() { op.store.core.recovery.doubt(op.device.ID) }

type deleteDevice struct {
	store *Devices
	id    fleet.DeviceID
	sent  *redis.Cmd
}

func (op *deleteDevice) Key() string { return keys.Device(op.id) }

func (op *deleteDevice) Queue(p redis.Pipeliner, _ bool) {
	op.sent = p.EvalSha(context.Background(), deleteScript.SHA, []string{keys.Device(op.id), keys.History(op.id), keys.Outbox(op.id)})
}

func (op *deleteDevice) Settle(again bool) error {
	status, err := op.sent.Int64()
	if err != nil {
		return err
	}
	op.store.index.Remove(op.id)
	if status == 0 && !again { // the first try may have deleted it
		return noDevice(op.id)
	}
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *deleteDevice) Doubt() { op.store.core.recovery.doubt(op.id) }
