package notify

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

func TestATestIsAnsweredAtOnceAndInTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.channel()
	n, err := w.Test(t.Context(), boss, c.ID)
	if err != nil || n.State != Sent || w.next().Kind != ofTest {
		t.Errorf("got %+v, %v", n, err)
	}
	w.receiver.failing(http.StatusNotFound)
	if n, err = w.Test(t.Context(), boss, c.ID); err != nil || n.State != Failed || n.Tries[0].Status != 404 {
		t.Errorf("got %+v, %v", n, err)
	}
	if len(w.sent()) != 2 {
		t.Errorf("%d in the log, want 2", len(w.sent()))
	}
	for err == nil {
		_, err = w.Test(t.Context(), boss, c.ID)
	}
	if fleet.KindOf(err) != fleet.Busy {
		t.Errorf("got %v, want busy", err)
	}
}

func TestChannelsThatCanNotWorkAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, row := range map[string]struct {
		field string
		edit  func(*Channel)
	}{
		"no name":               {"name", func(c *Channel) { c.Name = " " }},
		"no kind":               {"kind", func(c *Channel) { c.Kind = "pigeon" }},
		"own network":           {"url", func(c *Channel) { c.URL = "http://10.0.0.1/" }},
		"no URL":                {"url", func(c *Channel) { c.URL = "" }},
		"unknown topic":         {"topics", func(c *Channel) { c.Topics = []Topic{"weather"} }},
		"nothing to say":        {"topics", func(c *Channel) { c.Topics = nil }},
		"unknown digest":        {"digest", func(c *Channel) { c.Digest = "hourly" }},
		"hour":                  {"hour", func(c *Channel) { c.Hour = 24 }},
		"zone":                  {"zone", func(c *Channel) { c.Zone = "Mars/Olympus" }},
		"mail without a server": {"kind", func(c *Channel) { c.Kind, c.URL, c.To = Mail, "", []string{"a@example.com"} }},
	} {
		c := Channel{Name: "x", Kind: Webhook, URL: "https://example.com/", Topics: Topics}
		row.edit(&c)
		_, err := w.Create(t.Context(), boss, c)
		refused, _ := err.(*fleet.Error) //nolint:errorlint // it is returned as it is
		if refused == nil || refused.Field != row.field {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for n := range maxChannels {
		_ = n
		w.channel()
	}
	if _, err := w.Create(t.Context(), boss, Channel{Name: "one more", Kind: Webhook, URL: "https://example.com/", Topics: Topics}); fleet.KindOf(err) != fleet.Conflict {
		t.Errorf("one channel too many: got %v", err)
	}
}

func TestOnlyAdminsSeeAndEditChannels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.channel()
	for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor} {
		who := fleet.Actor{User: 2, Team: 1, Role: role}
		_, list := w.Channels(t.Context(), who)
		_, create := w.Create(t.Context(), who, c)
		_, edit := w.Edit(t.Context(), who, c.ID, func(*Channel) {})
		_, log := w.Log(t.Context(), who, "", "")
		_, test := w.Test(t.Context(), who, c.ID)
		_, again := w.SendAgain(t.Context(), who, "x")
		_, rotate := w.RotateSecret(t.Context(), who, c.ID)
		_, _, settings := w.Settings(t.Context(), who)
		for name, err := range map[string]error{
			"list": list, "create": create, "edit": edit, "log": log, "test": test, "again": again, "rotate": rotate, "settings": settings,
			"delete": w.Delete(t.Context(), who, c.ID), "set": w.Set(t.Context(), who, defaults),
		} {
			if fleet.KindOf(err) != fleet.Denied {
				t.Errorf("%s: %s: got %v", role, name, err)
			}
		}
	}
	stranger := fleet.Actor{User: 3, Team: 2, Role: fleet.Owner}
	if _, err := w.Edit(t.Context(), stranger, c.ID, func(*Channel) {}); fleet.KindOf(err) != fleet.NotFound {
		t.Errorf("another team: got %v", err)
	}
}

func TestASecretIsShownOnceAndNeverLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.channel()
	rotated, err := w.RotateSecret(t.Context(), boss, c.ID)
	if err != nil || rotated.Secret == c.Secret || !strings.HasPrefix(rotated.Secret, "whsec_") {
		t.Fatalf("got %+v, %v", rotated, err)
	}
	edited, err := w.Edit(t.Context(), boss, c.ID, func(c *Channel) { c.Name = "renamed"; c.Secret = "whsec_mine" })
	if err != nil || edited.Secret != "" {
		t.Errorf("an edit answers %+v, %v", edited, err)
	}
	list, err := w.Channels(t.Context(), boss)
	if err != nil || list[0].Secret != "" || list[0].Name != "renamed" {
		t.Errorf("got %+v, %v", list, err)
	}
	entries, _, err := w.store.Messages.AuditLog(t.Context(), 1, "", 100)
	if err != nil || len(entries) != 3 {
		t.Errorf("%d audit entries, %v, want 3", len(entries), err)
	}
	for _, e := range entries {
		if strings.Contains(e.Before+e.After, "whsec_") {
			t.Errorf("%s: %s", e.Action, e.After)
		}
	}
	w.receiver.trust(rotated.Secret)
	if n, err := w.Test(t.Context(), boss, c.ID); err != nil || n.State != Sent {
		t.Errorf("the rotated secret is not signed with: %+v, %v", n, err)
	}
}

func TestTwoEditsOfOneChannelDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.channel()
	_, err := w.Edit(t.Context(), boss, c.ID, func(mine *Channel) {
		mine.Name = "first"
		if _, err := w.Edit(t.Context(), boss, c.ID, func(c *Channel) { c.Name = "second" }); err != nil {
			t.Error(err)
		}
	})
	if fleet.KindOf(err) != fleet.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
}

func TestDigestsEndAtLocalHours(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, row := range map[string]struct {
		digest          Digest
		zone            string
		hour            int
		now, last, next string
	}{
		"daily, before":       {Daily, "", 7, "2026-11-29T06:59:00Z", "2026-11-28T07:00:00Z", "2026-11-29T07:00:00Z"},
		"daily, after":        {Daily, "", 7, "2026-11-29T07:00:00Z", "2026-11-29T07:00:00Z", "2026-11-30T07:00:00Z"},
		"a zone":              {Daily, "Europe/Berlin", 7, "2026-11-29T06:30:00Z", "2026-11-29T06:00:00Z", "2026-11-30T06:00:00Z"},
		"an hour less":        {Daily, "Europe/Berlin", 7, "2026-03-28T12:00:00Z", "2026-03-28T06:00:00Z", "2026-03-29T05:00:00Z"},
		"an hour not there":   {Daily, "Europe/Berlin", 2, "2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
		"weekly, on a Sunday": {Weekly, "", 7, "2026-11-29T12:00:00Z", "2026-11-23T07:00:00Z", "2026-11-30T07:00:00Z"},
		"weekly, on a Monday": {Weekly, "", 7, "2026-11-30T06:00:00Z", "2026-11-23T07:00:00Z", "2026-11-30T07:00:00Z"},
		"weekly, afterwards":  {Weekly, "", 7, "2026-11-30T07:30:00Z", "2026-11-30T07:00:00Z", "2026-12-07T07:00:00Z"},
	} {
		last, next, err := Channel{Digest: row.digest, Zone: row.zone, Hour: row.hour}.boundaries(at(row.now))
		if err != nil || !last.Equal(at(row.last)) || !next.Equal(at(row.next)) {
			t.Errorf("%s: got %s and %s, %v", name, last.UTC().Format(time.RFC3339), next.UTC().Format(time.RFC3339), err)
		}
	}
}

func TestADigestThatIsDueIsSentOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.channel(func(c *Channel) { c.Digest, c.Topics = Daily, nil })
	team, err := w.team(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	stored := team.channels[c.ID]
	stored.Since = time.Now().AddDate(0, 0, -3)
	if err := w.config.Outbox.Swap(t.Context(), 1, c.ID, team.texts[c.ID], encoded(stored)); err != nil {
		t.Fatal(err)
	}
	last, _, err := stored.boundaries(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 150 { // more than a page, before and in the time of the digest
		a := alert(n)
		a.Raised = last.Add(-time.Duration(n) * 15 * time.Minute)
		w.raise(a)
	}
	stop := w.run()
	got := w.next()
	if got.Kind != ofDigest || got.Digest.Period != Daily || got.Digest.Products[0].Devices != 9 || got.Digest.Alerts["rolled_back"] != 96 {
		t.Errorf("got %s", got.body)
	}
	w.until("it is stored", func() bool { return w.sent()[0].State == Sent })
	text := w.sent()[0].Text("https://muster.example.com")
	for _, part := range []string{"96 rolled_back", "lamp: 9 devices, 7 online", "2 held", "https://muster.example.com/team/notifications"} {
		if !strings.Contains(text, part) {
			t.Errorf("the text lacks %q:\n%s", part, text)
		}
	}
	stop()
	w.restart()
	stop = w.run()
	w.until("the new process looked", func() bool { return len(w.sent()) == 1 })
	stop()
	if len(w.receiver.got) != 0 {
		t.Error("a digest was sent twice")
	}
}

func TestTooManyFailedUpdatesRaiseOneAlert(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	r := newRates()
	end := func(state fleet.UpdateState, times int) (raised int) {
		for range times {
			if r.ended(1, 7, state, now, true) {
				raised++
			}
		}
		return raised
	}
	if n := end(fleet.Failed, defaults.Sample-1); n != 0 {
		t.Error("raised before the sample")
	}
	if n := end(fleet.RolledBack, 50); n != 1 {
		t.Errorf("raised %d times, want once", n)
	}
	if over := r.take(); len(over) != 1 || over[7].team != 1 || over[7].failed != over[7].ended || len(r.take()) != 0 {
		t.Errorf("got %v", over)
	}
	now = now.Add(30 * time.Minute)
	if n := end(fleet.Confirmed, 2000) + end(fleet.Superseded, 10); n != 0 {
		t.Error("raised by updates that were confirmed")
	}
	if n := end(fleet.Failed, 300); n != 1 {
		t.Errorf("raised %d times after the share had fallen, want once", n)
	}
	now = now.Add(2 * time.Hour)
	if n := end(fleet.Failed, 1); n != 0 || r.products[7].sum(now).ended != 1 {
		t.Error("what is longer ago than an hour counts")
	}
	if r.products[7].over = false; r.ended(1, 7, fleet.Failed, now, false) || r.products[7].sum(now).ended != 2 {
		t.Error("a server that does not lead raises, or does not count")
	}
	now = now.Add(2 * time.Hour)
	for range defaults.Sample { // while it did not lead
		r.ended(1, 7, fleet.Failed, now, false)
	}
	if n := end(fleet.Failed, 5); n != 1 {
		t.Errorf("raised %d times by the server that took over, want once", n)
	}
	r.set(1, Settings{Percent: 0, Sample: 1})
	r.products[7].over = false
	if end(fleet.Failed, 100) != 0 {
		t.Error("raised although the limit is off")
	}
}

func TestTheAlertThatTooManyUpdatesFailIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.channel(func(c *Channel) { c.Topics = []Topic{Failures} })
	w.run()
	for range 25 {
		w.Ended(1, 7, fleet.Failed)
	}
	if got := w.next(); got.Alerts[0].Name != failuresAlert || !strings.Contains(got.Alerts[0].Text, "of product lamp") {
		t.Errorf("got %s", got.body)
	}
}
