package rest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

// cursorList is a list by cursor, and what comes and goes in it.
type cursorList struct {
	path string
	key  string            // field of a row that names it, as add and remove do; "": the row itself
	add  func(name string) // name sorts like its row, where the list is sorted by name
	drop func(row string)  // makes a row go; nil: rows of this list stay
}

// Rows come before and after the place that was reached, and those go that the cursor was made from,
// the first, and one still to come. What stays is listed once (docs/operations.md#long-lists).
func TestListsByCursorMissAndRepeatNothingThatStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, team := t.Context(), w.owner.Team
	must[api.Firmware](t)(w.Release(ctx, "lamp", api.Release{Version: api.Version{Version: version("7")}}))
	imports := func(name string) {
		must[fleet.Imported](t)(w.domain.Registry.Import(ctx, w.owner, fleet.Import{Product: w.product, Devices: fleet.NewDevices(name)}))
	}
	removes := func(name string) {
		if err := w.store.Devices.Delete(ctx, fleet.DeviceID(name).In(1)); err != nil {
			t.Fatal(err)
		}
	}
	moves := func(state fleet.UpdateState) func(string) {
		return func(name string) {
			w.edit(fleet.DeviceID(name), func(d *fleet.Device) { d.Update = fleet.Update{To: version("7"), State: state} })
		}
	}
	says := func(name string) {
		must[string](t)(w.store.Messages.Append(ctx, fleet.Message{Team: team, Device: lamp7, Topic: "d/lamp-7/up/msg/" + name, Payload: []byte(`1`)}))
	}
	for name, list := range map[string]cursorList{
		"devices": {path: "/v1/devices?", key: "id", add: imports, drop: removes},
		"tags": {path: "/v1/devices/tags?", add: func(name string) {
			must[fleet.GroupView](t)(w.domain.Registry.CreateGroup(ctx, w.owner, fleet.Group{Name: name}))
		}, drop: func(row string) {
			if err := w.DeleteGroup(ctx, "lamp", row); err != nil {
				t.Fatal(err)
			}
		}},
		"messages, newest first": {path: "/v1/messages?", key: "topic", add: says},
		"messages, oldest first": {path: "/v1/messages?pageSort=asc&", key: "topic", add: says},
		"alerts": {path: "/v1/alerts?", key: "id", add: func(name string) {
			must[fleet.Alert](t)(w.store.Messages.Raise(ctx, fleet.Alert{Team: team, Device: lamp7, Name: name}))
		}, drop: func(row string) {
			if err := w.ArchiveAlert(ctx, row); err != nil {
				t.Fatal(err)
			}
		}},
		"audit log": {path: "/v1/team/audit?", key: "id", add: func(name string) {
			action := []string{"device.update", "token.create"}[len(name)%2] // the log merges two streams
			if err := w.store.Messages.Audit(ctx, fleet.AuditEntry{Team: team, User: 1, Action: action, Object: name}); err != nil {
				t.Fatal(err)
			}
		}},
		"updates":            {path: "/v1/products/lamp/updates?state=failed&", key: "device_id", add: func(name string) { imports(name); moves(fleet.Failed)(name) }, drop: moves(fleet.Confirmed)},
		"devices of updates": {path: "/v1/products/lamp/updates?", key: "device_id", add: func(name string) { imports(name); moves(fleet.Failed)(name) }, drop: removes},
		"devices left":       {path: "/v1/products/lamp/remaining/devices?version=7&", key: "device_id", add: imports, drop: removes},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := strings.NewReplacer(" ", "", ",", "").Replace(name) // rows of other lists stay as they are
			for i := range 24 {
				list.add(fmt.Sprintf("m-%s-%02d", prefix, i))
			}
			stay := map[string]bool{}
			for row := range w.rows(t, list, 100, nil) {
				stay[row] = true
			}
			all := w.ordered(t, list)
			page := 0
			seen := w.rows(t, list, 5, func(rows []string) {
				list.add(fmt.Sprintf("a-%s-%d", prefix, page)) // before what was read, or after it
				list.add(fmt.Sprintf("z-%s-%d", prefix, page))
				if page++; list.drop == nil || page > 3 {
					return
				}
				for _, row := range []string{rows[len(rows)-1], rows[0], all[len(all)-page]} {
					list.drop(row)
					delete(stay, row)
				}
			})
			if page < 4 {
				t.Errorf("%d pages: nothing came or went between them", page)
			}
			for row, times := range seen {
				if times > 1 {
					t.Errorf("%s is listed %d times", row, times)
				}
			}
			for row := range stay {
				if seen[row] == 0 {
					t.Errorf("%s was there the whole time and is not listed", row)
				}
			}
			path, _, _ := strings.Cut(list.path, "?")
			if status, body := w.do("GET", path+"?pageNextToken=no+cursor", "", ""); name != "tags" && status != 422 { // any name is a place among names
				t.Errorf("a cursor that is none: got %d %s", status, body)
			}
		})
	}
}

// rows reads all pages of a list and counts how often each row is on one. between runs between two
// pages, with the rows of the first.
func (w *world) rows(t *testing.T, list cursorList, limit int, between func(rows []string)) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for after, page := "", 0; page == 0 || after != ""; page++ {
		var answer struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"pageNextToken"`
		}
		w.read(fmt.Sprintf("%spageLimit=%d&pageNextToken=%s", list.path, limit, url.QueryEscape(after)), &answer)
		var rows []string
		for _, item := range answer.Items {
			rows = append(rows, rowName(t, list, item))
			seen[rows[len(rows)-1]]++
		}
		if after = answer.Next; after != "" && between != nil {
			between(rows)
		}
		if page > 100 {
			t.Fatalf("the list does not end")
		}
	}
	return seen
}

// ordered reads a list of up to 100 rows at once.
func (w *world) ordered(t *testing.T, list cursorList) (rows []string) {
	t.Helper()
	w.rows(t, list, 100, nil)
	var answer struct {
		Items []json.RawMessage `json:"items"`
	}
	w.read(list.path+"pageLimit=100", &answer)
	for _, item := range answer.Items {
		rows = append(rows, rowName(t, list, item))
	}
	return slices.Clip(rows)
}

func rowName(t *testing.T, list cursorList, item json.RawMessage) (name string) {
	t.Helper()
	if list.key == "" {
		if err := json.Unmarshal(item, &name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var fields map[string]any
	if err := json.Unmarshal(item, &fields); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(fields[list.key])
}
