//go:build browser && !race

package browsertest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// axe is axe-core, which scripts/tools.sh installs with the other packages of npm.
var axe = sync.OnceValues(func() (string, error) {
	script, err := os.ReadFile("../../testdata/interop/node_modules/axe-core/axe.min.js")
	return string(script), err
})

// violations are the rules of WCAG 2.1 A and AA that the page breaks, with the first elements. Contrast,
// which takes axe longest, is looked at in each window (faint).
func violations(b *browser) []string {
	b.Helper()
	script := cloudtest.Must[string](b)(axe())
	evaluate[bool](b, script+`; true`)
	const run = `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], rules: { "color-contrast": { enabled: false } }, resultTypes: ["violations"] }).then((found) =>
		found.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(" | ")))`
	return attempt(b, func(ctx context.Context) ([]string, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[[]string](run, chromedp.EvalAwaitPromise))
	})
}

// shows is what one sees on pages, also where their scripts have to fetch it.
var shows = map[string]string{
	"/p/lamp/devices": "widget-0001", "/p/lamp/devices?by=version": "Version 1", "/p/lamp/devices?by=group": "beta",
	"/p/lamp/devices?q=nothing-like-it": "No device matches", "/p/lamp/devices/import": "one id on each line",
	"/p/lamp/device/widget-0001": "Why", "/p/lamp/groups": "beta", "/p/lamp/group?name=beta": "Users with access",
	"/p/lamp/firmware": "Product default", "/p/lamp/firmware/1": "Progress", "/p/lamp/upload": "Image",
	"/p/lamp/firmware/1/release": "Deliver immediately", "/p/lamp/firmware/1/confirm?group=beta&default=yes": "Impacted devices",
	"/p/lamp/fleet": "Updates in progress", "/products": "New product", "/messages": "Messages", "/alerts": "No active alerts", "/events": "No events yet",
	"/team": "Members", "/no/such/page": "There is no such page",
}

func TestPagesAreReadableByEveryoneInEveryWindow(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.visit("/sign-in")
	windows := slices.Clone(windows)
	for _, look := range windows {
		b.setWindow(look)
		check(b, "/sign-in", look)
	}
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	left := maps.Clone(shows)
	for _, path := range append(addresses(t, false), "/p/lamp/firmware/1/confirm?group=beta&default=yes", "/no/such/page") {
		b.visit(path)
		b.waitText(shows[path])
		delete(left, path)
		for _, look := range windows {
			b.setWindow(look)
			if look == wide { // axe takes longer than all the rest
				if broken := violations(b); len(broken) > 0 {
					t.Errorf("%s: %s", path, strings.Join(broken, "\n\t"))
				}
			}
			check(b, path, look)
		}
		slices.Reverse(windows) // the next page begins in the window as it is
	}
	if len(left) > 0 {
		t.Errorf("not visited: %v", left)
	}
}

// check verifies a page's accessibility, and takes its picture.
func check(b *browser, path string, look window) {
	b.Helper()
	for rule, broken := range evaluate[map[string][]string](b, rules(look)) {
		if len(broken) > 0 {
			b.Errorf("%s (%s) %s: %s", path, look.name, rule, strings.Join(broken, "\n\t"))
		}
	}
	b.shot("page." + filename(strings.TrimPrefix(path, "/")) + "." + look.name)
}

func TestLongValuesBreakNoLayout(t *testing.T) {
	w := serve(t)
	id, group := fleet.DeviceID(strings.Repeat("long-device-id-", 9)[:fleet.MaxDeviceID]), strings.Repeat("G", fleet.MaxGroupName)
	long := strings.Repeat("W", fleet.MaxName)
	ctx, r := t.Context(), w.Cloud.Registry()
	w.UploadVersions(imageSize, 1)
	cloudtest.Must[fleet.Imported](t)(r.Import(ctx, owner, fleet.Import{Product: 1, Groups: []string{group}, Devices: []fleet.NewDevice{
		{ID: string(id), Name: long, Notes: strings.Repeat("n", 1000)}, {ID: "short"},
	}}))
	cloudtest.Must[fleet.Product](t)(r.CreateProduct(ctx, owner, fleet.Product{Name: long, Slug: strings.Repeat("s", fleet.MaxSlug)}))
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	device := fmt.Sprintf("/p/lamp/device/%s", id)
	for name, path := range map[string]string{
		"devices": "/p/lamp/devices", "by group": "/p/lamp/devices?by=group", "team": "/devices", "device": device, "delete": device + "/confirm?act=delete",
		"groups": "/p/lamp/groups", "group": "/p/lamp/group?name=" + group, "release": "/p/lamp/firmware/1/release", "confirm": "/p/lamp/firmware/1/confirm?group=" + group,
		"bulk": "/p/lamp/devices/groups?device=" + string(id), "products": "/products", "attention": "/p/lamp/attention", "audit": "/team/audit",
		"product": "/p/" + strings.Repeat("s", fleet.MaxSlug) + "/devices",
	} {
		b.visit(path)
		for _, look := range sizes {
			b.setWindow(look)
			if broken := evaluate[[]string](b, spill); len(broken) > 0 {
				t.Errorf("%s (%s) is wider than the window: %s", name, look.name, strings.Join(broken, "\n\t"))
			}
			b.shot("long-" + strings.ReplaceAll(name, " ", "-") + "." + look.name)
		}
	}
}
