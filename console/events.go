package console

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/sse"
	"github.com/muster-iot/muster/wire"
)

// eventPages show events as they happen, and have open pages refresh what changed.
type eventPages struct{ *visit }

// maxTogether bounds the rows sent at once. Of further ones the page shows the number.
const maxTogether = 100

// eventsBody is the page of live events.
type eventsBody struct {
	Prefix, Slug, Device string
	Feed                 string // address of the stream
	Product              fleet.Product
}

// Filtered reports whether some events are left out.
func (b eventsBody) Filtered() bool { return b.Prefix+b.Slug+b.Device != "" }

func (v eventPages) eventsBody() (b eventsBody, err error) {
	b = eventsBody{Prefix: v.text("prefix"), Slug: v.text("product"), Device: v.text("device")}
	b.Feed = "/events/stream?" + url.Values{"prefix": {b.Prefix}, "product": {b.Slug}, "device": {b.Device}}.Encode()
	if b.Slug != "" {
		b.Product, err = v.registry.Product(v.ctx(), v.actor, b.Slug)
	}
	return b, err
}

func (v eventPages) eventsPage() error {
	body, err := v.eventsBody()
	if err != nil {
		return err
	}
	return v.show("events", "Events", body)
}

func (v eventPages) eventsStream() error {
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

// feed sends events as rows of a table, newest first.
type feed struct {
	wanted  eventsBody
	names   map[fleet.ProductID]string // of products, when the page was opened
	rows    []eventRow
	skipped int
}

// eventRow is an event with its product's name.
type eventRow struct {
	event.View
	ProductName string
}

// Select implements sse.Listener.
func (f *feed) Select(e event.Event) (event.Event, bool) {
	missed := e.Name() == event.NameMissed
	return e, missed || strings.HasPrefix(string(e.Name()), f.wanted.Prefix) && (f.wanted.Device == "" || e.Device.String() == f.wanted.Device)
}

// Take implements sse.Listener.
func (f *feed) Take(v event.View) bool {
	if id := f.wanted.Product.ID; id != 0 && v.Product != id && v.Name() != event.NameMissed {
		return false
	}
	if len(f.rows) == maxTogether {
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
	err := pages()["events"].ExecuteTemplate(&out, "rows", map[string]any{"Rows": f.rows, "Skipped": f.skipped})
	f.rows, f.skipped = nil, 0
	return sse.Event("rows", strings.TrimSpace(out.String())), err
}

// Summary describes the event in one line.
func (e eventRow) Summary() string {
	switch p := e.Payload.(type) {
	case event.StatusChanged:
		return string(p.Status)
	case event.FlashChanged:
		return string(p.Status)
	case event.HandshakeDone:
		return "runs " + version(e.Running)
	case event.UpdateChanged:
		return updateSummary(p.Update)
	case event.GatewayChanged:
		return either(p.Attached, "attached", "detached")
	case event.MessageReceived:
		return fmt.Sprintf("%s, %s", p.Topic, humane.Size(int64(p.Size)))
	case event.AlertRaised:
		return strings.TrimSpace(strings.TrimPrefix(words(p.Alert)+": "+p.Text, ": ") + " " + p.Value)
	case event.AlertArchived:
		return either(p.Archived, "archived", "restored")
	case event.CommandChanged:
		return fmt.Sprintf("command %d", p.Number)
	case event.DeviceLocked:
		return either(p.Version.IsZero(), "unlocked", "locked to "+p.Version.String())
	case event.DeviceDevelopment:
		return either(p.Development, "marked as a development device", "no longer a development device")
	case event.DeviceGroupsChanged:
		return e.groups()
	case event.DeviceEdited:
		return either(p.DeviceName == "", "", "name: "+p.DeviceName)
	case event.GroupChanged:
		return string(p.Action) + " " + p.Group
	case event.FirmwareUploaded:
		return "version " + p.Version.String()
	case event.FirmwareReleased:
		return "version " + p.Version.String() + either(p.Default, ", product default", "") + either(p.Immediate, ", immediate", "") + either(len(e.GroupNames) > 0, ", "+e.groups(), "")
	case event.ReleaseChanged:
		return fmt.Sprintf("release %s of version %s: %s, %s", p.ID, p.Version, p.State, p.Share)
	case event.JobChanged:
		return fmt.Sprintf("job %d of %s: %s, %s left", p.Number, humane.Count(p.Devices, "device"), p.State, humane.Number(p.Left))
	case event.Missed:
		return "This page was too slow: some events are missing"
	}
	return ""
}

// groups lists the groups the event concerns and the user sees.
func (e eventRow) groups() string { return "groups: " + strings.Join(e.GroupNames, ", ") }

func updateSummary(u fleet.Update) string {
	text := fmt.Sprintf("%s → %s, %s, attempt %d", version(u.From), u.To, words(u.State), u.Attempt)
	if u.Reason != wire.ReasonNone {
		text += ", " + wire.ReasonText(u.Reason)
	}
	return text
}

// either returns yes if claim holds, otherwise no.
func either(claim bool, yes, no string) string {
	if claim {
		return yes
	}
	return no
}
