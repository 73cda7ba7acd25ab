package main

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
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

type eventsCmd struct {
	remote
	productFlag
	Prefix string        `arg:"" optional:"" help:"How the name begins, as in spark/status or muster/update; all where left out."`
	Device string        `help:"Of this device." placeholder:"ID" complete:"device"`
	For    time.Duration `help:"End after this long, as in 30s." placeholder:"TIME"`
	Count  int           `help:"End after this many events; 0: never." placeholder:"N"`
}

// How long to wait before listening again: the first time, and at most.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 10 * time.Second
)

// errEnough ends listening: --count events were told.
var errEnough = errors.New("enough events")

// Run tells events until --for or --count is over, or Ctrl-C. A stream that breaks is
// opened again.
func (c *eventsCmd) Run(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	f, err := c.filter(ctx, client)
	if err != nil {
		return err
	}
	limit := ctx
	if c.For > 0 {
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	told := 0
	err = c.listen(limit, client, f, func(e api.Heard) error {
		if err := c.tell(e); err != nil {
			return err
		}
		if told++; told == c.Count {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || limit.Err() != nil {
		return nil // Ctrl-C is how one stops watching
	}
	return err
}

// filter is what to listen to: without --product and --device the only product, or where
// there are several, the whole team.
func (c *eventsCmd) filter(ctx context.Context, client *client.Client) (api.EventFilter, error) {
	f := api.EventFilter{Product: c.Product, Device: c.Device, Prefix: c.Prefix}
	if f.Product != "" || f.Device != "" {
		return f, nil
	}
	all, err := client.Products(ctx)
	if len(all) == 1 {
		f.Product = all[0].Slug
	}
	return f, err
}

// listen hears events, and opens the stream again when it breaks. The first time it has
// to open.
func (c *eventsCmd) listen(ctx context.Context, client *client.Client, f api.EventFilter, hear func(api.Heard) error) error {
	pause, was := firstPause, false
	for {
		err := client.Listen(ctx, f, func() {
			note("%s", map[bool]string{false: "Listening. Ctrl-C ends it.", true: "Listening again. What happened in between is not told."}[was])
			pause, was = firstPause, true
		}, hear)
		if !was || !errors.Is(err, fleet.Unavailable) && !errors.Is(err, fleet.Busy) {
			return err
		}
		note("%s; trying again in %s.", clean(err.Error()), pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// tell prints an event in one line: columns can't be known before.
func (c *eventsCmd) tell(e api.Heard) error {
	if c.JSON {
		return c.show(e, nil)
	}
	about := e.CoreID
	if about == "api" {
		about = "-"
	}
	_, err := fmt.Fprintf(os.Stdout, "%s  %-20s  %-25s  %s\n", e.Published.Local().Format(time.TimeOnly), clean(about), clean(e.Name), eventText(e))
	return err
}

// eventText is what an event tells, in few words.
func eventText(e api.Heard) string {
	var fields map[string]any
	if json.Unmarshal([]byte(e.Data), &fields) != nil {
		return clean(e.Data)
	}
	if e.Name == string(fleet.EventUpdate) {
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
	return clean(strings.Join(words, ", "))
}

// updateEventText says how an update stands.
func updateEventText(data string) string {
	var u struct {
		From, To, State, Reason string
		Attempt                 int
		Received, Size          int64
	}
	if json.Unmarshal([]byte(data), &u) != nil {
		return clean(data)
	}
	text := fmt.Sprintf("%s, %s to %s, %d%% of %s, try %d", u.State, cmp.Or(u.From, "-"), u.To, u.Received*100/max(u.Size, 1), humane.Size(u.Size), u.Attempt)
	if u.Reason != "" && u.Reason != "none" {
		text += ": " + u.Reason
	}
	return clean(text)
}

// jsonText is a value out of JSON as people write it; "" for nothing.
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
