package console

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

// maxTold bounds the rows told together; of more, the page is told how many.
const maxTold = 100

// eventsBody is the page of what happens, from the moment it is opened.
type eventsBody struct {
	Prefix, Slug, Device string
	Feed                 string // address of the stream
	Product              fleet.Product
}

// Filtered reports whether some events are left out.
func (b eventsBody) Filtered() bool { return b.Prefix+b.Slug+b.Device != "" }

func (v *visit) eventsBody() (b eventsBody, err error) {
	b = eventsBody{Prefix: v.text("prefix"), Slug: v.text("product"), Device: v.text("device")}
	b.Feed = "/events/stream?" + url.Values{"prefix": {b.Prefix}, "product": {b.Slug}, "device": {b.Device}}.Encode()
	if b.Slug != "" {
		b.Product, err = v.registry.Product(v.ctx(), v.actor, b.Slug)
	}
	return b, err
}

func (v *visit) eventsPage() error {
	body, err := v.eventsBody()
	if err != nil {
		return err
	}
	return v.show("events", "Events", body)
}

func (v *visit) eventsStream() error {
	body, err := v.eventsBody()
	if err != nil {
		return err
	}
	products, err := v.registry.Products(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	f := &feed{wanted: body, names: map[fleet.ProductID]string{}}
	for _, p := range products {
		f.names[p.ID] = p.Name
	}
	return v.stream(f)
}

// feed tells events as rows of a table, the newest first.
type feed struct {
	wanted  eventsBody
	names   map[fleet.ProductID]string // of products, as the page was opened
	rows    []eventRow
	skipped int
}

// eventRow is an event as people read it.
type eventRow struct {
	fleet.EventView
	ProductName string
}

// Select implements sse.Listener.
func (f *feed) Select(e fleet.Event) (fleet.Event, bool) {
	missed := e.Name == fleet.EventMissed
	return e, missed || strings.HasPrefix(e.Name, f.wanted.Prefix) && (f.wanted.Device == "" || string(e.Device) == f.wanted.Device)
}

// Take implements sse.Listener.
func (f *feed) Take(v fleet.EventView) bool {
	if id := f.wanted.Product.ID; id != 0 && v.Product != id && v.Name != fleet.EventMissed {
		return false
	}
	if len(f.rows) == maxTold {
		f.rows = f.rows[1:]
		f.skipped++
	}
	f.rows = append(f.rows, eventRow{v, f.names[v.Product]})
	return true
}

// Flush implements sse.Listener.
func (f *feed) Flush() (string, error) {
	slices.Reverse(f.rows)
	var out bytes.Buffer
	err := pages["events"].ExecuteTemplate(&out, "rows", map[string]any{"Rows": f.rows, "Skipped": f.skipped})
	f.rows, f.skipped = nil, 0
	return sse.Event("rows", strings.TrimSpace(out.String())), err
}

// Summary is the event's data in a line.
func (e eventRow) Summary() string {
	data := e.Data
	if text, ok := data["text"].(string); ok && len(data) == 1 {
		return text
	}
	switch e.Name {
	case "muster/handshake":
		return "runs " + version(e.Running)
	case "muster/message":
		return fmt.Sprintf("%v, %v B", data["topic"], data["size"])
	case "muster/update":
		why := ""
		if data["reason"] != "none" {
			why = fmt.Sprintf(", %v", data["reason"])
		}
		return fmt.Sprintf("%v → %v, %s, attempt %v%s", data["from"], data["to"], words(data["state"]), data["attempt"], why)
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if value := fmt.Sprint(data[key]); value != "" {
			parts = append(parts, words(key)+": "+value)
		}
	}
	if len(e.GroupNames) > 0 {
		parts = append(parts, "groups: "+strings.Join(e.GroupNames, ", "))
	}
	return strings.Join(parts, ", ")
}
