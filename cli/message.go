package cli

import (
	"context"

	"github.com/muster-iot/muster/api"
)

type messageCmd struct {
	List messageListCmd `cmd:"" help:"List what devices sent, newest first." example:"muster message list --device lamp-7"`
	Send messageSendCmd `cmd:"" help:"Send a message to a device: a command named by its topic." example:"muster message send lamp-7 blink '{\"times\":3}'"`
}

type messageListCmd struct {
	remote
	Device string `help:"Only from this device." placeholder:"ID" complete:"device"`
	Topic  string `help:"Only on this topic." placeholder:"TOPIC"`
	Search string `help:"Only those whose topic or device id contains this." placeholder:"TEXT"`
	Since  moment `help:"Only received at or after this time: as in 2026-07-01T12:00:00Z, or how long ago, as in 2h or 7d." placeholder:"TIME"`
	Until  moment `help:"Only received before this time, in the same form." placeholder:"TIME"`
	Oldest bool   `help:"List the oldest first."`
	Limit  int    `default:"20" help:"Maximum number of rows; 0 for all." placeholder:"N"`
}

// Run lists messages.
func (c *messageListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Message, error) {
		messages, err := upTo(c.Limit, func(after string, rows int) (api.Page[api.Message], error) {
			return s.Messages(ctx, api.MessageFilter{Device: c.Device, Topic: c.Topic, Search: c.Search, From: c.Since.Time, To: c.Until.Time, After: after, Limit: rows, Ascending: c.Oldest})
		})
		if err == nil && len(messages) == 0 {
			err = checkDevice(ctx, s, c.Device)
		}
		return messages, err
	}, func(t *table, messages []api.Message) {
		t.hint(len(messages), "No matching messages. Devices send them on d/ID/up/msg/TOPIC.")
		t.row("RECEIVED", "DEVICE", "TOPIC", "MESSAGE")
		for _, m := range messages {
			t.row(m.Received, m.Device, m.Topic, clip(string(m.Message), 120))
		}
	})
}

type messageSendCmd struct {
	remote
	ID      string `arg:"" help:"Device id." complete:"device"`
	Topic   string `arg:"" help:"Topic: the name of the command on the device."`
	Message string `arg:"" optional:"" help:"Payload: JSON, or any text."`
}

// Run sends a message; an offline device gets it when it connects.
func (c *messageSendCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.Command, error) {
		return s.SendMessage(ctx, c.ID, api.NewMessage{Topic: c.Topic, Message: api.Payload(c.Message)})
	}, func(t *table, sent api.Command) { t.line("Command %d is queued for %s.", sent.Number, c.ID) })
}
