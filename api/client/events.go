package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

// Limits of an event stream.
const (
	maxEventLine = 1 << 20           // bytes
	maxSilence   = 3 * sse.Heartbeat // without a byte, the connection is considered broken
	eventStream  = "text/event-stream"
)

// streamPath is the path of the stream with the events that f selects.
func streamPath(f api.EventFilter) string {
	var elements []string
	switch {
	case f.Product != "" && f.Device != "":
		elements = []string{"products", f.Product, "devices", f.Device, "events"}
	case f.Product != "":
		elements = []string{"products", f.Product, "events"}
	case f.Device != "":
		elements = []string{"devices", f.Device, "events"}
	case f.Prefix != "":
		elements = []string{"events"}
	default:
		elements = []string{"devices", "events"}
	}
	if f.Prefix != "" {
		elements = append(elements, f.Prefix)
	}
	return path(elements...)
}

// Listen opens a stream of events, calls opened once it is open, and hear for each event,
// until ctx or the stream ends, or hear returns an error, which it returns. When an open
// stream ends, it returns fleet.Unavailable: call Listen again. Events in between are lost.
func (c *Client) Listen(ctx context.Context, f api.EventFilter, opened func(), hear func(api.Heard) error) error {
	listening, hangUp := context.WithCancel(ctx)
	defer hangUp()
	answer, err := c.send(listening, http.MethodGet, streamPath(f), "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); !strings.HasPrefix(kind, eventStream) {
		return fmt.Errorf("%s answered %q, not events: is there a proxy that changes answers?", c.base, kind)
	}
	opened()
	silence := time.AfterFunc(maxSilence, hangUp)
	defer silence.Stop()
	err = readEvents(answer.Body, func() { silence.Reset(maxSilence) }, hear)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// readEvents calls hear for each event of a stream (HTML Living Standard §9.2.6), and alive
// for each line. It returns hear's error, or fleet.Unavailable at the end of the stream.
func readEvents(stream io.Reader, alive func(), hear func(api.Heard) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxEventLine)
	var name, data string
	for lines.Scan() {
		alive()
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value
		}
		if lines.Text() != "" || data == "" {
			continue
		}
		e := api.Heard{Name: name}
		if err := json.Unmarshal([]byte(data), &e.Event); err != nil {
			return fmt.Errorf("event %s: %w", name, err)
		}
		name, data = "", ""
		if err := hear(e); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fleet.Errorf(fleet.Unavailable, "the event stream broke: %w", err)
	}
	return fleet.Errorf(fleet.Unavailable, "the server ended the event stream")
}
