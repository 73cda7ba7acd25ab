package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-iot/muster/api"
)

type deviceCommandCmd struct {
	remote
	ID      string        `arg:"" help:"Device id." complete:"device"`
	Name    string        `arg:"" help:"Name of the command."`
	Message string        `arg:"" optional:"" help:"Payload: JSON, or any text."`
	Expires time.Duration `help:"Drop the command if the device does not connect within this time; the server has a default." placeholder:"TIME"`
	Wait    time.Duration `help:"Wait up to this long for the device's answer, and fail if there is none." placeholder:"TIME"`
}

// Run queues a command and, with --wait, waits for its result.
func (c *deviceCommandCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Command, error) {
		sent, err := s.SendCommand(ctx, c.ID, api.NewCommand{
			Name: c.Name, Message: api.Payload(c.Message), ExpiresIn: uint32(c.Expires / time.Second), //nolint:gosec // the server checks the range
		})
		if err != nil || c.Wait <= 0 {
			return sent, err
		}
		return c.await(ctx, s, sent)
	}, func(t *table, sent api.Command) {
		if sent.Done == nil {
			t.line("Command %d is queued for %s.", sent.Number, c.ID)
			return
		}
		t.line("%s answered command %d: %s", c.ID, sent.Number, sent.Result)
	})
}

// await polls until command has a result or --wait is over.
func (c *deviceCommandCmd) await(ctx context.Context, s server, command api.Command) (api.Command, error) {
	limit, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := s.Commands(ctx, c.ID)
		if err != nil {
			return command, err
		}
		for _, one := range all {
			if one.Number == command.Number && one.Done != nil {
				return one, nil
			}
		}
		select {
		case <-tick.C:
		case <-limit.Done():
			if ctx.Err() != nil {
				return command, ctx.Err()
			}
			return command, fmt.Errorf("no answer to command %d within %s; it is still queued for the device", command.Number, c.Wait)
		}
	}
}
