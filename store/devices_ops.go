package store

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

type loadDevice struct {
	id     fleet.DeviceID
	sent   *redis.MapStringStringCmd
	device fleet.Device
}

func (op *loadDevice) Queue(p redis.Pipeliner, _ bool) {
	op.sent = p.HGetAll(context.Background(), deviceKey(op.id))
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
	rev     *redis.StringCmd
	catalog uint64
}

func (op *saveDevice) Queue(p redis.Pipeliner, _ bool) {
	d := &op.device
	args := make([]any, 0, 64)
	args = append(args, strconv.FormatUint(d.Revision, 10), strconv.FormatUint(d.Revision+1, 10), op.nonce,
		len(op.ended), op.store.core.keep.Updates)
	for i := range op.ended {
		args = append(args, record.Update.Pack(&op.ended[i]))
	}
	args = record.AppendDevice(args, d)
	op.sent = p.EvalSha(context.Background(), saveScript.SHA, []string{deviceKey(d.ID), historyKey(d.ID)}, args...)
	op.rev = p.HGet(context.Background(), productKey(d.Product), "rev")
}

func (op *saveDevice) Settle(bool) error {
	status, err := op.sent.Int64()
	if err != nil {
		return err
	}
	rev, err := op.rev.Result()
	if err != nil && !absent(err) {
		return err // the operation is retried: the script recognizes its own write
	}
	switch status {
	case 0:
		return fleet.Errorf(fleet.Conflict, "device %s was changed meanwhile", op.device.ID)
	case -1:
		return noDevice(op.device.ID)
	}
	op.catalog = decimal(rev)
	op.store.catalogs.docs.Saw(op.device.Product, op.catalog)
	op.device.Revision++
	op.store.index.Put(&op.device)
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *saveDevice) Doubt() { op.store.core.recovery.doubt(op.device.ID) }

type createDevices struct {
	store    *Devices
	devices  []fleet.Device
	nonce    string
	sent     []*redis.Cmd
	outcomes []error
}

// newCreateDevices copies devices and sets their first revision to the time in µs, so that an
// id that is deleted and created again never has a revision it had before.
func newCreateDevices(s *Devices, devices []*fleet.Device) *createDevices {
	op := &createDevices{store: s, nonce: s.core.Nonce(), outcomes: make([]error, len(devices))}
	first := uint64(max(time.Now().UnixMicro(), 1))
	for _, d := range devices {
		op.devices = append(op.devices, *d)
		op.devices[len(op.devices)-1].Revision = first
	}
	return op
}

func (op *createDevices) Queue(p redis.Pipeliner, _ bool) {
	op.sent = op.sent[:0]
	for i := range op.devices {
		d := &op.devices[i]
		args := append(make([]any, 0, 48), strconv.FormatUint(d.Revision, 10), op.nonce)
		op.sent = append(op.sent, p.EvalSha(context.Background(), createScript.SHA, []string{deviceKey(d.ID)}, record.AppendDevice(args, d)...))
	}
}

func (op *createDevices) Settle(bool) error {
	for i, sent := range op.sent {
		status, err := sent.Int64()
		switch {
		case pipeline.Transient(err):
			return err
		case err != nil:
			op.outcomes[i] = pipeline.Refused(err)
		case status == 0:
			op.outcomes[i] = fleet.Errorf(fleet.Conflict, "device %s exists already", op.devices[i].ID)
		default:
			op.outcomes[i] = nil
			op.store.index.Put(&op.devices[i])
		}
	}
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *createDevices) Doubt() {
	for i := range op.devices {
		op.store.core.recovery.doubt(op.devices[i].ID)
	}
}

type deleteDevice struct {
	store *Devices
	id    fleet.DeviceID
	sent  []*redis.IntCmd // one DEL for the record: the reply for several keys is only a sum
}

func (op *deleteDevice) Queue(p redis.Pipeliner, _ bool) {
	op.sent = append(op.sent[:0], p.Del(context.Background(), deviceKey(op.id)),
		p.Del(context.Background(), historyKey(op.id), outboxKey(op.id)))
}

func (op *deleteDevice) Settle(again bool) error {
	if i := slices.IndexFunc(op.sent, func(c *redis.IntCmd) bool { return c.Err() != nil }); i >= 0 {
		return op.sent[i].Err()
	}
	op.store.index.Remove(op.id)
	if op.sent[0].Val() == 0 && !again { // the first try may have deleted it
		return noDevice(op.id)
	}
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *deleteDevice) Doubt() { op.store.core.recovery.doubt(op.id) }
