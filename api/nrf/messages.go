package nrf

import (
	"context"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

func (n *adapter) listMessages(ctx context.Context, who fleet.Actor, in *struct {
	route.Cursors
	Device string    `query:"deviceId"`
	Topic  string    `query:"topic"`
	Part   string    `query:"search" doc:"Part of the topic or of the device id, in upper or lower case"`
	App    string    `query:"appId" doc:"The message is JSON with this appId"`
	From   time.Time `query:"inclusiveStart" doc:"RFC 3339"`
	From2  time.Time `query:"start" doc:"The same as inclusiveStart"`
	To     time.Time `query:"exclusiveEnd" doc:"RFC 3339"`
	To2    time.Time `query:"end" doc:"The same as exclusiveEnd"`
	Sort   string    `query:"pageSort" enum:"asc,desc" default:"desc"`
}) (*route.Reply[api.Page[api.Message]], error) {
	messages, next, err := n.Registry.Messages(ctx, who, fleet.MessageQuery{
		Team: who.Team, Device: fleet.DeviceNamed(in.Device), Topic: in.Topic, Part: in.Part, App: in.App,
		From: either(in.From, in.From2), To: either(in.To, in.To2),
		Ascending: in.Sort == "asc", After: in.PageNextToken, Limit: in.PageLimit,
	})
	return route.Answer(shownMessages(messages, next), err)
}

func shownMessages(messages []fleet.Message, next string) api.Page[api.Message] {
	shown := make([]api.Message, 0, len(messages))
	for _, m := range messages {
		shown = append(shown, api.Message{
			Topic: m.Topic, Device: m.Device.String(), Received: m.Received.UTC(), Tenant: m.Team.String(), Message: m.Payload,
		})
	}
	return api.PageOf(shown, next)
}

func either(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// sendMessage is nRF Cloud's SendDeviceMessage: a command by another name.
func (n *adapter) sendMessage(ctx context.Context, who fleet.Actor, in *struct {
	rest.TeamDevicePath
	route.Input[api.NewMessage]
}) (*route.Reply[api.Command], error) {
	c, err := n.SendCommand(ctx, who, in.Target(), api.NewCommand{Name: in.In.Topic, Message: in.In.Message})
	return c, route.About(err, "name", "topic")
}
