package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/alert"
	"github.com/muster-iot/muster/store/command"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/record"
	"github.com/muster-iot/muster/store/stream"
)

// Messages reads and writes messages, commands, alerts and the audit log.
type Messages struct {
	*alert.Log
	*command.Outboxes
	core *core
	room func() error // see Options
}

func (c *core) messagesKey(team fleet.TeamID) stream.Key {
	return stream.Key{StreamKeys: keys.Messages(team), Share: c.keep.Messages, Age: c.keep.Age}
}

// full returns why nothing that can wait is written.
func (s *Messages) full() error {
	if s.room == nil {
		return nil
	}
	return s.room()
}

// Append stores a message of m.Team and returns its cursor. A zero Received means now. It returns
// fleet.NoSpace while the disk is almost full.
func (s *Messages) Append(ctx context.Context, m fleet.Message) (cursor string, err error) {
	if err := s.full(); err != nil {
		return "", err
	}
	if m.Received.IsZero() {
		m.Received = time.Now()
	}
	text := record.Message.Pack(&m)
	return s.core.streams.Append(ctx, s.core.messagesKey(m.Team), m.Received, m.Device.String(), len(text), text)
}

// List returns the messages that q selects and the cursor of the next page, "" after the last. A
// page may be short, even empty, without being the last if few of very many messages match.
func (s *Messages) List(ctx context.Context, q fleet.MessageQuery) (page []fleet.Message, next string, err error) {
	q.Device = q.Device.In(q.Team)
	next, err = s.core.streams.Scan(ctx, s.core.messagesKey(q.Team), stream.Query{
		From: q.From, To: q.To, Ascending: q.Ascending, After: q.After, Limit: pageLimit(q.Limit),
	}, func(id, text string) (bool, error) {
		var m fleet.Message
		if err := record.Message.Unpack(text, &m); err != nil {
			return false, err
		}
		m.Cursor, m.Team, m.Device = id, q.Team, m.Device.In(q.Team)
		if !selects(q, &m) {
			return false, nil
		}
		page = append(page, m)
		return true, nil
	})
	return page, next, err
}

func selects(q fleet.MessageQuery, m *fleet.Message) bool {
	return (q.Device == "" || m.Device == q.Device) &&
		(q.Topic == "" || m.Topic == q.Topic) &&
		(q.Part == "" || strings.Contains(strings.ToLower(m.Topic+"\n"+m.Device.String()), strings.ToLower(q.Part))) &&
		within(m.Received, q.From, q.To) &&
		(q.App == "" || q.App == appOf(m.Payload))
}

// appOf returns the appId in a message of a device for nRF Cloud, "" if there is none.
func appOf(payload []byte) string {
	var message struct {
		App string `json:"appId"`
	}
	_ = json.Unmarshal(payload, &message) // other payloads have none
	return message.App
}

func within(t, from, to time.Time) bool {
	return (from.IsZero() || !t.Before(from)) && (to.IsZero() || t.Before(to))
}

// pageLimit returns limit, but at least 1 and at most 100 rows.
func pageLimit(limit int) int { return min(max(limit, 1), 100) }
