// Package command keeps the commands to devices in their outboxes.
package command

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

var (
	//go:embed queue.lua
	queueSource string
	//go:embed finish.lua
	finishSource string
	//go:embed expire.lua
	expireSource string

	queueScript  = pipeline.NewScriptAskingRetry(queueSource)
	finishScript = pipeline.NewScript(finishSource)
	expireScript = pipeline.NewScript(expireSource)
)

// Scripts are those the pipeline must load.
func Scripts() []*pipeline.Script { return []*pipeline.Script{queueScript, finishScript, expireScript} }

// Outboxes are those of all devices in one Redis. It is safe for concurrent use.
type Outboxes struct {
	redis *pipeline.Pipeline
	clock *steady.Clock
	kept  int
	room  func() error
	wake  func(redis.Pipeliner, fleet.DeviceID)
}

// New returns the outboxes of p. clock decides what has expired, kept is how many finished commands
// a device keeps, and room refuses commands while the disk is almost full; nil: nothing does. wake adds to
// a trip what has servers that may hold the session of a device look at it.
func New(p *pipeline.Pipeline, clock *steady.Clock, kept int, room func() error, wake func(redis.Pipeliner, fleet.DeviceID)) *Outboxes {
	if room == nil {
		room = func() error { return nil }
	}
	return &Outboxes{redis: p, clock: clock, kept: kept, room: room, wake: wake}
}

// MaxPending bounds the commands that a device has not answered.
const MaxPending = 100

// Queue adds c to the outbox of c.Device and returns it with the device's next number. It
// counts the pending commands in the device's record, whose revision grows. It returns
// fleet.NotFound for an unknown device, fleet.Busy when 100 are pending, and fleet.NoSpace while
// the disk is almost full. A zero Queued means now.
func (s *Outboxes) Queue(ctx context.Context, c fleet.Command) (fleet.Command, error) {
	if err := s.room(); err != nil {
		return fleet.Command{}, err
	}
	if c.Queued.IsZero() {
		c.Queued = time.Now()
	}
	number, err := s.redis.RunWith(ctx, queueScript, func(p redis.Pipeliner) { s.wake(p, c.Device) },
		outboxKeys(c.Device), s.redis.Nonce(), MaxPending, record.Command.Pack(&c))
	switch {
	case err != nil:
		return fleet.Command{}, err
	case number < 0:
		return fleet.Command{}, fleet.Errorf(fleet.NotFound, "no such device: %s", c.Device)
	case number == 0:
		return fleet.Command{}, fleet.Errorf(fleet.Busy, "device %s has %d unanswered commands: wait until it has answered some", c.Device, MaxPending)
	}
	c.Number = uint32(number)
	return c, nil
}

// Pending returns the commands that device id has not answered, lowest number first, and drops
// those that have expired.
func (s *Outboxes) Pending(ctx context.Context, id fleet.DeviceID) ([]fleet.Command, error) {
	commands, err := s.Commands(ctx, id)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	var pending []fleet.Command
	var expired []any
	for _, c := range commands {
		switch {
		case !c.Done.IsZero():
		case !c.Expires.IsZero() && !c.Expires.After(now):
			expired = append(expired, strconv.FormatUint(uint64(c.Number), 10))
		default:
			pending = append(pending, c)
		}
	}
	if len(expired) > 0 {
		if _, err := s.redis.Run(ctx, expireScript, outboxKeys(id), expired...); err != nil {
			return nil, err
		}
	}
	return pending, nil
}

// Commands returns all commands that are kept for id, also finished ones, lowest number first.
func (s *Outboxes) Commands(ctx context.Context, id fleet.DeviceID) ([]fleet.Command, error) {
	fields, err := pipeline.Fetch(ctx, s.redis, keys.Outbox(id), func(p redis.Pipeliner) pipeline.Result[map[string]string] {
		return p.HGetAll(context.Background(), keys.Outbox(id))
	})
	if err != nil {
		return nil, err
	}
	var commands []fleet.Command
	for field, text := range fields {
		if field[0] != 'c' {
			continue
		}
		var c fleet.Command
		if err := errors.Join(record.Command.Unpack(text, &c), record.CommandResult.Unpack(fields["r"+field[1:]], &c)); err != nil {
			return nil, err
		}
		c.Device, c.Number = id, uint32(record.Decimal(field[1:]))
		commands = append(commands, c)
	}
	slices.SortFunc(commands, func(a, b fleet.Command) int { return cmp.Compare(a.Number, b.Number) })
	return commands, nil
}

// Finish stores the result of a pending command of device id. A command keeps its first result:
// a repeated Finish changes nothing and returns nil. It returns fleet.NotFound for a command
// that was never queued or is no longer kept.
func (s *Outboxes) Finish(ctx context.Context, id fleet.DeviceID, number uint32, result []byte) error {
	text := record.CommandResult.Pack(&fleet.Command{Done: time.Now(), Result: result})
	status, err := s.redis.RunStatus(ctx, finishScript, outboxKeys(id), number, text, s.kept)
	if err == nil && status < 0 {
		return fleet.Errorf(fleet.NotFound, "device %s has no command %d", id, number)
	}
	return err
}

func outboxKeys(id fleet.DeviceID) []string { return []string{keys.Device(id), keys.Outbox(id)} }
