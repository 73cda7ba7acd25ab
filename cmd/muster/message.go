package main

import (
	"context"

	"github.com/muster-iot/muster/api"
)

type messageCmd struct {
	List messageListCmd `cmd:"" help:"List what devices sent, newest first." example:"muster message list --device lamp-7"`
	Send messageSendCmd `cmd:"" help:"Send a message to a device: a command that is named by its topic." example:"muster message send lamp-7 blink '{\"times\":3}'"`
}

type messageListCmd struct {
	remote
	Device string `help:"Of this device." placeholder:"ID" complete:"device"`
	Topic  string `help:"With this topic." placeholder:"TOPIC"`
	Since  moment `help:"Received since then: a time as in 2026-07-01T12:00:00Z, or how long ago, as in 2h or 7d." placeholder:"TIME"`
	Until  moment `help:"Received before then; likewise." placeholder:"TIME"`
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
		return client.Messages(ctx, api.MessageFilter{Device: c.Device, Topic: c.Topic, From: c.Since.Time, To: c.Until.Time, After: after, Limit: rows, Ascending: c.Oldest})
	})
	if err == nil && len(messages) == 0 {
		err = c.known(ctx, client, c.Device)
	}
	if err != nil {
		return err
	}
	if more {
		note("There are more; --limit shows them.")
	}
	c.hint(len(messages), "No such messages. Devices send them on d/ID/up/msg/TOPIC.")
	return c.show(messages, func(t *table) {
		t.row("RECEIVED", "DEVICE", "TOPIC", "MESSAGE")
		for _, m := range messages {
			t.row(m.Received, m.Device, m.Topic, clip(string(m.Message), 120))
		}
	})
}

type messageSendCmd struct {
	remote
	ID      string `arg:"" help:"Device id." complete:"device"`
	Topic   string `arg:"" help:"What the device knows the command by."`
	Message string `arg:"" optional:"" help:"What goes with it: JSON, or any text."`
}

// Run sends one; it waits for a device that is offline.
func (c *messageSendCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	sent, err := client.SendMessage(ctx, c.ID, api.NewMessage{Topic: c.Topic, Message: api.Payload(c.Message)})
	if err != nil {
		return err
	}
	return c.show(sent, func(t *table) { t.line("Command %d waits for %s.", sent.Number, c.ID) })
}
