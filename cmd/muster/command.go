package main

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
)

type deviceCommandCmd struct {
	remote
	ID      string        `arg:"" help:"Device id." complete:"device"`
	Name    string        `arg:"" help:"Name of the command."`
	Message string        `arg:"" optional:"" help:"What goes with it: JSON, or any text."`
	Expires time.Duration `help:"It waits this long for a device that is offline; the server's choice where left out." placeholder:"TIME"`
	Wait    time.Duration `help:"Wait this long for the device's answer, and fail without one." placeholder:"TIME"`
}

// Run queues a command and, with --wait, looks for its result.
func (c *deviceCommandCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	sent, err := client.SendCommand(ctx, c.ID, api.NewCommand{
		Name: c.Name, Message: api.Payload(c.Message), ExpiresIn: uint32(c.Expires / time.Second), //nolint:gosec // the server checks the range
	})
	if err != nil {
		return err
	}
	if c.Wait > 0 {
		if sent, err = c.await(ctx, client, sent); err != nil {
			return err
		}
	}
	return c.show(sent, func(t *table) {
		if sent.Done == nil {
			t.line("Command %d waits for %s.", sent.Number, c.ID)
			return
		}
		t.line("%s answered command %d: %s", c.ID, sent.Number, sent.Result)
	})
}

// await asks until command has its answer or --wait is over.
func (c *deviceCommandCmd) await(ctx context.Context, client *client.Client, command api.Command) (api.Command, error) {
	limit, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		known, err := client.Commands(ctx, c.ID)
		if err != nil {
			return command, err
		}
		for _, one := range known {
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
			return command, fmt.Errorf("no answer to command %d within %s; it still waits for the device", command.Number, c.Wait)
		}
	}
}
