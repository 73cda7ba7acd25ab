package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

// Limits of listening to a stream.
const (
	maxEventLine = 1 << 20           // bytes
	maxSilence   = 3 * sse.Heartbeat // without a byte, the server or the way to it is gone
	eventStream  = "text/event-stream"
)

// EventFilter selects events. Zero fields select all that happens to the team's devices;
// what concerns no device, such as an edit of a group, is told with Product or Prefix.
type EventFilter struct {
	Product string // id or slug
	Device  string // with or without Product
	Prefix  string // how the name begins
}

// Heard is an event with its name.
type Heard struct {
	Name string `json:"name"`
	Event
}

// path is the stream that tells what f selects.
func (f EventFilter) path() string {
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
// until ctx or the stream ends, or hear returns an error, which it returns. The end of a
// stream that was open is fleet.Unavailable: listen again. Events in between are lost.
func (c *Client) Listen(ctx context.Context, f EventFilter, opened func(), hear func(Heard) error) error {
	listening, hangUp := context.WithCancel(ctx)
	defer hangUp()
	answer, err := c.send(listening, http.MethodGet, f.path(), "", nil)
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
// for each line. It ends with fleet.Unavailable at the end of the stream, or with hear's
// error.
func readEvents(stream io.Reader, alive func(), hear func(Heard) error) error {
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
		e := Heard{Name: name}
		if err := json.Unmarshal([]byte(data), &e.Event); err != nil {
			return fmt.Errorf("event %s: %w", name, err)
		}
		name, data = "", ""
		if err := hear(e); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fleet.Errorf(fleet.Unavailable, "the stream of events broke: %w", err)
	}
	return fleet.Errorf(fleet.Unavailable, "the server ended the stream of events")
}
