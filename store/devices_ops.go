package store

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/feed"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

// noting adds a script that writes a record to a trip, with the entry of its feed if the store is joined.
func (s *Devices) noting(p redis.Pipeliner, scripts [2]*pipeline.Script, names []string, args []any, row feed.Row) *redis.Cmd {
	if !s.feed.Joined() {
		return p.EvalSha(context.Background(), scripts[0].SHA, names, args...)
	}
	names, args = s.feed.Append(names, args, row)
	return p.EvalSha(context.Background(), scripts[1].SHA, names, args...)
}

// noted reads the reply of a script that noting added.
func (s *Devices) noted(sent *redis.Cmd) (n feed.Noted, err error) {
	if s.feed.Joined() {
		return feed.ReadNoted(sent)
	}
	n.Status, err = sent.Int64()
	return n, err
}

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
	store  *Devices
	device *fleet.Device // the caller's, at the revision it was read at; once written, at the new one
	ended  []fleet.Update
	nonce  string
	sent   *redis.Cmd
	fields uint64 // which fields the record then has
	tag    string // of the catalog, if the store is joined
}

func (op *saveDevice) Key() string { return keys.Device(op.device.ID) }

func (op *saveDevice) Queue(p redis.Pipeliner, _ bool) {
	d := op.device
	args := make([]any, 0, 64)
	args = append(args, strconv.FormatUint(d.Revision, 10), &d.Base.Written, strconv.FormatUint(d.Revision+1, 10), op.nonce,
		len(op.ended), op.store.core.keep.Updates, 0)
	gone := len(args) - 1
	for i := range op.ended {
		args = append(args, record.Update.Pack(&op.ended[i]))
	}
	first := len(args)
	w := record.AppendDevice(args, d)
	w.All[gone], op.fields = len(w.Gone), w.Fields
	op.sent = op.store.noting(p, saveScripts, []string{keys.Device(d.ID), keys.History(d.ID)}, append(w.All, w.Gone...),
		feed.Row{Device: d, Revision: d.Revision + 1, Nonce: op.nonce, First: first, Last: w.Row})
	if d.Base.Node == "" && d.Node == "" { // it may have a connection that has not sent a Hello
		op.store.nodes.WakeOthers(p, d.ID)
	}
	op.store.nodes.Wake(p, d.ID, d.Base.Node)
}

func (op *saveDevice) Settle(bool) error {
	noted, err := op.store.noted(op.sent)
	if err != nil {
		return err
	}
	switch noted.Status {
	case 0:
		return fleet.Errorf(fleet.Conflict, "device %s was changed meanwhile", op.device.ID)
	case -1:
		return noDevice(op.device.ID)
	}
	op.tag = noted.Tag
	d := op.device
	d.Revision, d.Base = d.Revision+1, fleet.Base{Written: op.nonce, Node: d.Node, Fields: op.fields}
	op.store.feed.Saved(d, noted.Seq)
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *saveDevice) Doubt() { op.store.feed.Doubt(op.device.ID) }

type createDevice struct {
	store  *Devices
	device fleet.Device
	nonce  string
	sent   *redis.Cmd
	rank   *redis.IntCmd

	namesakes int // older devices of other teams with the id
}

func (op *createDevice) Key() string { return keys.Device(op.device.ID) }

func (op *createDevice) Queue(p redis.Pipeliner, _ bool) {
	d := &op.device
	args := append(make([]any, 0, 48), strconv.FormatUint(d.Revision, 10), op.nonce, d.ID.Team().String())
	w := record.AppendDevice(args, d)
	d.Base = fleet.Base{Written: op.nonce, Node: d.Node, Fields: w.Fields}
	op.sent = op.store.noting(p, createScripts, []string{keys.Device(d.ID), keys.Holders(d.ID)}, w.All, feed.Row{Device: d, Revision: d.Revision, Nonce: op.nonce, First: 3, Last: w.Row})
	op.rank = p.ZRank(context.Background(), keys.Holders(d.ID), d.ID.Team().String())
}

func (op *createDevice) Settle(bool) error {
	noted, err := op.store.noted(op.sent)
	if err != nil {
		return err
	}
	if err := op.rank.Err(); err != nil && !absent(err) {
		return err // the operation is retried: the script recognizes its own write
	}
	if noted.Status == 0 {
		return fleet.Errorf(fleet.Conflict, "device %s exists already", op.device.ID)
	}
	op.namesakes = int(op.rank.Val())
	op.store.feed.Saved(&op.device, noted.Seq)
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *createDevice) Doubt() { op.store.feed.Doubt(op.device.ID) }

type deleteDevice struct {
	store *Devices
	id    fleet.DeviceID
	nonce string
	sent  *redis.Cmd
}

func (op *deleteDevice) Key() string { return keys.Device(op.id) }

func (op *deleteDevice) Queue(p redis.Pipeliner, _ bool) {
	op.sent = op.store.noting(p, deleteScripts, []string{keys.Device(op.id), keys.History(op.id), keys.Outbox(op.id), keys.Holders(op.id)}, []any{op.id.Team().String()},
		feed.Row{Device: &fleet.Device{ID: op.id}, Nonce: op.nonce})
	op.store.nodes.WakeOthers(p, op.id)
}

func (op *deleteDevice) Settle(again bool) error {
	noted, err := op.store.noted(op.sent)
	if err != nil {
		return err
	}
	op.store.feed.Deleted(op.id, op.nonce, noted.Seq)
	if noted.Status == 0 && !again { // the first try may have deleted it
		return noDevice(op.id)
	}
	return nil
}

// Doubt implements pipeline.Doubtful.
func (op *deleteDevice) Doubt() { op.store.feed.Doubt(op.id) }
