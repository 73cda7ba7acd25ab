package console

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// Each number on the page leads to a list with as many devices.
func TestNumbersOfTheAttentionPageLeadToTheirDevices(t *testing.T) {
	w := withDevices(t)
	must[fleet.Imported](t)(w.registry.Import(t.Context(), owner, fleet.Import{Product: 1, Devices: fleet.NewDevices("d-3", "d-4", "d-5"), Groups: []string{"beta"}}))
	one, two := fleet.WholeVersion(1), fleet.WholeVersion(2)
	w.setDevice("d-1", func(d *fleet.Device) { d.Running = one })
	w.setDevice("d-2", func(d *fleet.Device) {
		d.Running, d.Update = one, fleet.Update{State: fleet.Failed, To: two, Reason: 4}
	})
	w.setDevice("d-3", func(d *fleet.Device) {
		d.Running, d.Update = two, fleet.Update{State: fleet.Failed, To: two, Reason: 4} // it is right again
	})
	w.setDevice("d-4", func(d *fleet.Device) { d.Running, d.UpdatesOn = one, false })
	page := body(t, w.send(http.MethodGet, "/p/lamp/attention", nil, w.signed))
	links := regexp.MustCompile(`href="(/p/lamp/devices\?(?:concern|reason)=[^"]+)"\s+aria-label="[^"]*">(\d+)</a>`).FindAllStringSubmatch(page, -1)
	var seen []string
	for _, l := range links {
		seen = append(seen, strings.TrimPrefix(l[1], "/p/lamp/devices?"))
		list := body(t, w.send(http.MethodGet, l[1], nil, w.signed))
		if want := fmt.Sprintf(`<span class="count">%s</span>`, l[2]); !strings.Contains(list, want) {
			t.Errorf("%s does not list %s devices", l[1], l[2])
		}
	}
	if got, want := strings.Join(seen, " "), "concern=never concern=not_now concern=failed concern=behind reason=4"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if list := body(t, w.send(http.MethodGet, "/p/lamp/devices?update=wrong", nil, w.signed)); !strings.Contains(list, "/device/d-2") || strings.Contains(list, "/device/d-3") {
		t.Error("went wrong: want d-2, and not d-3, which runs its target")
	}
	if got := w.send(http.MethodGet, "/p/lamp/devices?concern=explode", nil, w.signed).StatusCode; got != http.StatusUnprocessableEntity {
		t.Errorf("an unknown concern: got %d, want 422", got)
	}
	if got := w.send(http.MethodGet, "/", nil, w.signed).Header.Get("Location"); got != "/p/lamp/attention" {
		t.Errorf("the console starts at %q", got)
	}
}

// The pages of the fleet and of a version say for whom a release waits, with lists of as many devices.
func TestWhatIsLeftIsShownByCauseWithItsDevices(t *testing.T) {
	w := withDevices(t)
	one := fleet.WholeVersion(1)
	w.setDevice("d-1", func(d *fleet.Device) { d.Running, d.UpdatesOn = one, true })
	w.setDevice("d-2", func(d *fleet.Device) { d.Running, d.UpdatesOn, d.Disabled = one, true, true })
	for path, want := range map[string]string{
		"/p/lamp/fleet":      "left=disabled left=offline",
		"/p/lamp/firmware/2": "target=2&left=disabled target=2&left=offline",
		"/p/lamp/firmware/1": "",
	} {
		page := body(t, w.send(http.MethodGet, path, nil, w.signed))
		var seen []string
		for _, l := range regexp.MustCompile(`href="(/p/lamp/devices\?[^"]*left=[^"]+)"\s+aria-label="[^"]*">(\d+)</a>`).FindAllStringSubmatch(page, -1) {
			link := strings.ReplaceAll(l[1], "&amp;", "&")
			seen = append(seen, strings.TrimLeft(strings.TrimPrefix(link, "/p/lamp/devices?"), "&"))
			list := body(t, w.send(http.MethodGet, link, nil, w.signed))
			if count := fmt.Sprintf(`<span class="count">%s</span>`, l[2]); !strings.Contains(list, count) || !strings.Contains(list, "still to update") {
				t.Errorf("%s does not list %s devices, or does not say which", link, l[2])
			}
		}
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("%s: got links %q, want %q", path, got, want)
		}
	}
	if list := body(t, w.send(http.MethodGet, "/p/lamp/devices?left=any&target=2", nil, w.signed)); !strings.Contains(list, `<span class="count">2</span>`) {
		t.Error("all that are left: want 2 devices")
	}
}

func TestOneSearchFindsIDsNamesNotesAndGroupsInAllProducts(t *testing.T) {
	w := withDevices(t)
	must[fleet.Product](t)(w.registry.CreateProduct(t.Context(), owner, fleet.Product{Team: 1, Name: "Bulb", Slug: "bulb"}))
	must[fleet.Imported](t)(w.registry.Import(t.Context(), owner, fleet.Import{Product: 2, Devices: []fleet.NewDevice{
		{ID: "x-12a"}, {ID: "x-1", Name: "Room 12a"}, {ID: "x-2", Notes: "beside 12A", Groups: []string{"floor-12a"}}, {ID: "x-3"},
	}}))
	page := body(t, w.send(http.MethodGet, "/devices?q=12a", nil, w.signed))
	for _, want := range []string{"/p/bulb/device/x-12a", "/p/bulb/device/x-1\"", "/p/bulb/device/x-2", `<span class="count">3</span>`, "group=floor-12a", `data-label="Product"><div class="break">bulb</div>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the list lacks %q:\n%s", want, page)
		}
	}
	if !strings.Contains(page, `action="/devices" role="search"`) {
		t.Error("no search in the header")
	}
}
