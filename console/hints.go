package console

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

// hints name the kinds of things that changed, and the open page fetches again what it shows
// of them. Nothing else crosses the stream: rights are checked where the page fetches.
type hints struct {
	product fleet.ProductID // 0: any
	device  fleet.DeviceID  // "": any
	kinds   map[string]bool // changed since the last flush
}

// hintsOf returns the address of the stream of hints for this page.
func (v *visit) hintsOf() string {
	q := url.Values{}
	if v.product.ID != 0 {
		q.Set("product", strconv.FormatUint(uint64(v.product.ID), 10))
	}
	if id := v.r.PathValue("id"); id != "" {
		q.Set("device", id)
	}
	return "/live?" + q.Encode()
}

func (v eventPages) hintsStream() error {
	product, _ := strconv.ParseUint(v.text("product"), 10, 32) // anything else selects all products
	return v.stream(newHints(fleet.ProductID(product), fleet.DeviceNamed(v.text("device")).In(v.actor.Team)))
}

func newHints(product fleet.ProductID, device fleet.DeviceID) *hints {
	return &hints{product: product, device: device, kinds: map[string]bool{}}
}

// kindOf returns the kind of things an event changes.
func kindOf(p event.Payload) string {
	switch p.(type) {
	case event.Missed:
		return "all"
	case event.MessageReceived:
		return "messages"
	case event.AlertRaised, event.AlertArchived:
		return "alerts"
	case event.CommandChanged:
		return "commands"
	case event.UpdateChanged, event.FlashChanged:
		return "updates"
	case event.FirmwareUploaded, event.FirmwareReleased, event.ReleaseChanged:
		return "firmware"
	case event.GroupChanged:
		return "groups"
	case event.JobChanged:
		return "jobs"
	}
	return "devices"
}

// Select implements sse.Listener: kinds that will be sent anyway are left out. Messages and
// alerts belong to the whole team, whatever the device's groups (docs/operations.md), so
// rights are not checked for their device.
func (h *hints) Select(e event.Event) (event.Event, bool) {
	kind := kindOf(e.Payload)
	if h.kinds[kind] || h.kinds["all"] || h.device != "" && e.Device != "" && e.Device != h.device {
		return e, false
	}
	if kind == "messages" || kind == "alerts" {
		e.Device = ""
	}
	return e, true
}

// Take implements sse.Listener.
func (h *hints) Take(v event.View) bool {
	if h.product != 0 && v.Product != 0 && v.Product != h.product {
		return false
	}
	h.kinds[kindOf(v.Payload)] = true
	return true
}

// Flush implements sse.Listener.
func (h *hints) Flush() (string, error) {
	kinds := slices.Sorted(maps.Keys(h.kinds))
	clear(h.kinds)
	return sse.Event("changed", strings.Join(kinds, " ")), nil
}
