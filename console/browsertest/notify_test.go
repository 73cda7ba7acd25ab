//go:build browser && !race

package browsertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
)

func TestAWebhookIsAddedTestedAndItsNotificationSentAgain(t *testing.T) {
	ids := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ ID string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		ids <- body.ID
	}))
	t.Cleanup(receiver.Close)
	w := serve(t, func(c *cloud.Config) {
		c.Notify.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Mail.Server, c.Mail.From = "127.0.0.1:1", "muster@example.com" // nothing listens there
	})
	b := browse(t, w)
	b.signIn(cloudtest.OwnerEmail, cloudtest.OwnerPassword)
	b.visit("/team/notifications")
	b.waitText("Nobody is notified")
	b.shot("notifications-empty")
	b.fill("form:has([value=webhook]) [name=name]", "on call")
	b.fill("form:has([value=webhook]) [name=url]", receiver.URL+"/hook")
	b.press("Add webhook")
	b.waitText("The secret of on call")
	b.shot("notifications-secret")
	b.visit("/team/notifications")
	b.press("Send a test")
	b.waitText("The test has arrived at on call.")
	first := <-ids
	b.fill("form:has([value=mail]) [name=name]", "team")
	b.fill("form:has([value=mail]) [name=to]", "ops@example.com, ann@example.com")
	b.press("Add mail")
	b.waitText("Added team")
	b.press("Send again")
	b.waitText("Sending it to on call again.")
	if again := <-ids; again != first {
		t.Errorf("sent again with id %s, want %s", again, first)
	}
	b.click(`[aria-label="Send a test to team"]`)
	b.waitText("The test did not arrive at team")
	for _, look := range windows {
		b.setWindow(look)
		b.visit("/team/notifications")
		check(b, "/team/notifications", look)
		b.click(`[aria-label="Edit on call"]`)
		b.shot("notifications-edit." + look.name)
	}
}
