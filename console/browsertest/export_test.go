//go:build browser && !race

package browsertest

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/cloud/cloudtest"
)

func TestListsAreExportedAsTheyAreFiltered(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/p/lamp/devices?q=0001")
	b.shot("export-devices")
	const fetched = `fetch(document.querySelector(".exports a").href).then((r) => r.text())`
	text := evaluateAsync(b, fetched)
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[1], "widget-0001,") {
		t.Errorf("got %s", text)
	}
	for _, path := range []string{"/messages?q=x", "/alerts", "/team/audit?action=group"} {
		b.visit(path)
		if text := evaluateAsync(b, fetched); !strings.Contains(text, "_id") && !strings.Contains(text, "email,") {
			t.Errorf("%s: got %s", path, text)
		}
		b.shot("export" + strings.NewReplacer("/", "-", "?", "-").Replace(path))
	}
}

// evaluateAsync is what a script's promise resolves to.
func evaluateAsync(b *browser, script string) string {
	b.Helper()
	return attempt(b, func(ctx context.Context) (string, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	})
}
