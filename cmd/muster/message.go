package main

import (
	"context"

	"github.com/muster-iot/muster/api"
)

type messageCmd struct {
	List messageListCmd `cmd:"" help:"List what devices sent, newest first." example:"muster message list --device lamp-7"`
}

type messageListCmd struct {
	remote
	Device string `help:"Of this device." placeholder:"ID"`
	Topic  string `help:"With this topic." placeholder:"TOPIC"`
	Oldest bool   `help:"Oldest first."`
	Limit  int    `default:"20" help:"Rows at most; 0: all." placeholder:"N"`
}

// Run lists messages.
func (c *messageListCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	messages, more, err := upTo(c.Limit, func(after string, rows int) (api.Page[api.Message], error) {
		return client.Messages(ctx, api.MessageFilter{Device: c.Device, Topic: c.Topic, After: after, Limit: rows, Ascending: c.Oldest})
	})
	if err != nil {
		return err
	}
	if more {
		note("There are more; --limit shows them.")
	}
	return c.show(messages, func(t *table) {
		t.row("RECEIVED", "DEVICE", "TOPIC", "MESSAGE")
		for _, m := range messages {
			t.row(m.Received, m.Device, m.Topic, clip(string(m.Message), 120))
		}
	})
}
