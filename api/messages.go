package api

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Message is what a device sent, in nRF Cloud's shape.
type Message struct {
	Topic    string    `json:"topic"`
	Device   string    `json:"deviceId"`
	Received time.Time `json:"receivedAt"`
	Tenant   string    `json:"tenantId"`
	Message  Payload   `json:"message" doc:"JSON as it was sent; other bytes as {\"base64\": ...}"`
}

func (s *server) messages() {
	add(s, route{id: "ListMessages", method: http.MethodGet, path: "/v1/messages", summary: "Messages of the team's devices, whatever their groups", tag: "messages", access: needs(fleet.SeeMessages)},
		func(ctx context.Context, who fleet.Actor, in *struct {
			Cursors
			Device string    `query:"deviceId"`
			Topic  string    `query:"topic"`
			App    string    `query:"appId" doc:"The message is JSON with this appId"`
			From   time.Time `query:"inclusiveStart" doc:"RFC 3339"`
			From2  time.Time `query:"start" doc:"The same as inclusiveStart"`
			To     time.Time `query:"exclusiveEnd" doc:"RFC 3339"`
			To2    time.Time `query:"end" doc:"The same as exclusiveEnd"`
			Sort   string    `query:"pageSort" enum:"asc,desc" default:"desc"`
		}) (*reply[Page[Message]], error) {
			q := fleet.MessageQuery{
				Team: who.Team, Device: fleet.DeviceID(in.Device), Topic: in.Topic, App: in.App, From: either(in.From, in.From2), To: either(in.To, in.To2),
				Ascending: in.Sort == "asc", After: in.PageNextToken, Limit: in.PageLimit,
			}
			messages, next, err := s.Messages(ctx, who, q)
			shown := make([]Message, 0, len(messages))
			for _, m := range messages {
				shown = append(shown, Message{Topic: m.Topic, Device: string(m.Device), Received: m.Received.UTC(), Tenant: m.Team.String(), Message: m.Payload})
			}
			return answer(page(shown, next), err)
		})
}

func either(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}
