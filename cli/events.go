package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cli/terminal"
	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type eventsCmd struct {
	remote
	productFlag
	Prefix string        `arg:"" optional:"" help:"Only events whose names begin with this, as in spark/status or muster/update."`
	Device string        `help:"Only from this device." placeholder:"ID" complete:"device"`
	For    time.Duration `help:"Stop after this time, as in 30s." placeholder:"TIME"`
	Count  int           `help:"Stop after this many events; 0 for no limit." placeholder:"N"`
}

// How long to wait before reconnecting: at first, and at most.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 10 * time.Second
)

// errEnough stops listening after --count events.
var errEnough = errors.New("enough events")

// Run prints events until --for, --count or Ctrl-C stops it. It reconnects a broken stream.
func (c *eventsCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	f, err := c.filter(ctx, s)
	if err != nil {
		return err
	}
	limit := ctx
	if c.For > 0 {
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	printed := 0
	err = c.listen(limit, s.Client, f, func(e api.Heard) error {
		if err := c.print(e); err != nil {
			return err
		}
		if printed++; printed == c.Count {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || limit.Err() != nil {
		return nil // Ctrl-C is the usual way to stop
	}
	return err
}

// filter selects what to listen to. Without --product and --device that is the only product,
// or the whole team if it has several.
func (c *eventsCmd) filter(ctx context.Context, s server) (api.EventFilter, error) {
	f := api.EventFilter{Product: c.Product, Device: c.Device, Prefix: c.Prefix}
	if f.Product != "" || f.Device != "" {
		return f, nil
	}
	all, err := s.Products(ctx)
	if len(all) == 1 {
		f.Product = all[0].Slug
	}
	return f, err
}

// listen passes events to hear and reconnects when the stream breaks. It returns an error if
// the first connection fails.
func (c *eventsCmd) listen(ctx context.Context, client *client.Client, f api.EventFilter, hear func(api.Heard) error) error {
	pause, connected := firstPause, false
	for {
		err := client.Listen(ctx, f, func() {
			note("%s", map[bool]string{false: "Listening. Press Ctrl-C to stop.", true: "Reconnected. Events in between were missed."}[connected])
			pause, connected = firstPause, true
		}, hear)
		if !connected || !errors.Is(err, fleet.Unavailable) && !errors.Is(err, fleet.Busy) {
			return err
		}
		note("%s; reconnecting in %s.", err, pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// print prints an event as one line. Its columns have fixed widths, as those of later events
// are unknown.
func (c *eventsCmd) print(e api.Heard) error {
	if c.JSON {
		return c.show(e, nil)
	}
	about := e.CoreID
	if about == "api" {
		about = "-"
	}
	_, err := fmt.Fprintf(os.Stdout, "%s  %-20s  %-25s  %s\n", e.Published.Local().Format(time.TimeOnly), terminal.Clean(about), terminal.Clean(e.Name), eventText(e))
	return err
}

// eventText summarizes an event's data.
func eventText(e api.Heard) string {
	var fields map[string]any
	if json.Unmarshal([]byte(e.Data), &fields) != nil {
		return terminal.Clean(e.Data)
	}
	if e.Name == string(event.NameUpdate) {
		return updateEventText(e.Data)
	}
	var words []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if value := jsonText(fields[key]); value != "" {
			words = append(words, key+": "+value)
		}
	}
	if e.Version != nil && len(words) == 0 {
		words = append(words, "runs "+cell(e.Version))
	}
	return terminal.Clean(strings.Join(words, ", "))
}

// updateEventText summarizes an update's state.
func updateEventText(data string) string {
	var u struct {
		From, To, State, Reason string
		Attempt                 int
		Received, Size          int64
	}
	if json.Unmarshal([]byte(data), &u) != nil {
		return terminal.Clean(data)
	}
	text := fmt.Sprintf("%s, %s to %s, %d%% of %s, attempt %d", u.State, cmp.Or(u.From, "-"), u.To, u.Received*100/max(u.Size, 1), humane.Size(u.Size), u.Attempt)
	if u.Reason != "" && u.Reason != "none" {
		text += ": " + u.Reason
	}
	return terminal.Clean(text)
}

// jsonText formats a value decoded from JSON for people; "" for null.
func jsonText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		words := make([]string, len(v))
		for i, one := range v {
			words[i] = jsonText(one)
		}
		return strings.Join(words, " ")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		text, _ := json.Marshal(v) // it was JSON
		return string(text)
	}
	return fmt.Sprint(v)
}
