package notify

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestAnAlertReachesAWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.channel()
	w.run()
	w.raise(fleet.Alert{Device: "lamp-1", Type: 7, Text: "too hot", Value: `{"c":90}`})
	got := w.next()
	if len(got.Alerts) != 1 || got.Kind != ofAlerts || got.Team.Name != "Acme" || got.Total != 1 || got.id != got.ID {
		t.Fatalf("got %s", got.body)
	}
	if a := got.Alerts[0]; a.Device != "lamp-1" || a.Name != "device_alert" || a.Topic != Devices || a.Text != "too hot" || string(a.Value) != `{"c":90}` {
		t.Errorf("got %+v", a)
	}
	w.until("it is in the log", func() bool {
		sent := w.sent()
		return len(sent) == 1 && sent[0].State == Sent && len(sent[0].Tries) == 1
	})
}

func TestAStormOfAlertsIsFewRequestsThatCountAllOfThem(t *testing.T) {
	t.Parallel()
	const storm = 1200
	w := newWorld(t)
	w.Service.gathering[Webhook] = patience
	w.channel()
	stop := w.run()
	w.raise(alert(0))
	first := w.next()
	for n := range storm {
		w.raise(alert(n))
	}
	w.until("all are gathered", func() bool { sent := w.sent(); return len(sent) == 2 && sent[1].Total+first.Total == storm+1 })
	stop()
	if n := len(w.receiver.got); n != 0 {
		t.Errorf("%d more requests within the time of one", n)
	}
	if n := w.sent()[1]; len(n.Alerts) != maxAlerts || n.Counts["rolled_back"] != n.Total || !strings.Contains(n.Subject(), "alerts (") {
		t.Errorf("%d alerts listed, %v", len(n.Alerts), n.Counts)
	}
}

func TestAFailedAttemptIsMadeAgainWithTheSameIDAndBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receiver.failing(http.StatusInternalServerError)
	w.channel()
	w.run()
	w.raise(alert(1))
	first := w.next()
	w.raise(alert(2)) // is in another one
	second := w.next()
	w.until("it is queued", func() bool { return w.Stats().Queued > 0 })
	w.receiver.failing(http.StatusOK)
	if first.ID != second.ID || first.body != second.body || first.Total != 1 {
		t.Errorf("got\n%s, then\n%s", first.body, second.body)
	}
	w.until("both are sent", func() bool {
		sent := w.sent()
		return len(sent) == 2 && sent[0].State == Sent && sent[1].State == Sent && len(sent[0].Tries) >= 3 && sent[0].Tries[0].Status == 500
	})
}

func TestWhatIsRaisedWhileNothingRunsIsSentLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.channel()
	w.raise(alert(1))
	w.restart()
	w.run()
	if got := w.next(); got.Total != 1 || got.Alerts[0].Device != "lamp-1" {
		t.Errorf("got %s", got.body)
	}
}

// The process ends after the receiver has the request and before that is stored.
func TestAnAttemptThatWasCutOffIsMadeAgainUnderTheSameID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receiver.answering(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.channel()
	stop := w.run()
	w.raise(alert(1))
	first := w.next()
	stop()
	if n := w.sent()[0]; n.State != Waiting || n.Spent != 0 {
		t.Fatalf("got %+v", n)
	}
	w.raise(alert(2)) // must not change what was sent already
	w.receiver.failing(http.StatusOK)
	w.restart()
	w.run()
	second := w.next()
	if first.ID != second.ID || first.body != second.body {
		t.Errorf("got\n%s, then\n%s", first.body, second.body)
	}
	if third := w.next(); third.ID == first.ID || third.Alerts[0].Device != "lamp-2" {
		t.Errorf("then %s", third.body)
	}
}

func TestAfterTheLastAttemptANotificationFailsAndCanBeSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receiver.failing(http.StatusBadGateway)
	w.channel()
	w.run()
	w.raise(alert(1))
	w.until("it failed", func() bool { sent := w.sent(); return len(sent) == 1 && sent[0].State == Failed })
	failed := w.sent()[0]
	if len(failed.Tries) != len(w.pauses)+1 {
		t.Errorf("%d attempts, want %d", len(failed.Tries), len(w.pauses)+1)
	}
	w.until("people are alerted, and no channel is", func() bool {
		alerts, _, err := w.store.Messages.Alerts(context.Background(), 1, "", false, "", 10)
		return err == nil && len(alerts) == 2 && alerts[0].Name == undeliveredAlert
	})
	w.receiver.failing(http.StatusOK)
	if _, err := w.SendAgain(t.Context(), boss, failed.ID); err != nil {
		t.Fatal(err)
	}
	w.until("it is sent", func() bool { return w.sent()[0].State == Sent })
	w.until("it is counted", func() bool {
		n := w.Stats()
		return n.Sent[Webhook] == 1 && n.Failed[Webhook] == 1 && n.Attempts[Webhook] == uint64(len(failed.Tries)) && n.Queued == 0
	})
	for range failed.Tries {
		if got := w.next(); got.ID != failed.ID {
			t.Errorf("got id %s, want %s", got.ID, failed.ID)
		}
	}
	if got := w.next(); got.ID != failed.ID || len(w.sent()) != 1 {
		t.Errorf("got id %s, want %s", got.ID, failed.ID)
	}
}

func TestAnEndpointThatIsGoneIsTriedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receiver.failing(http.StatusGone)
	w.channel()
	w.run()
	w.raise(alert(1))
	w.until("it failed", func() bool {
		sent := w.sent()
		return len(sent) == 1 && sent[0].State == Failed && len(sent[0].Tries) == 1
	})
}

func TestAChannelGetsItsTopicsAndNothingWhilePaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.channel(func(c *Channel) { c.Topics = []Topic{Halts} })
	paused := w.channel(func(c *Channel) { c.Name = "paused" })
	if _, err := w.Edit(t.Context(), boss, paused.ID, func(c *Channel) { c.Paused = true }); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.raise(alert(1))
	w.raise(fleet.Alert{Name: "release_halted", Text: "release 3 has halted"})
	if got := w.next(); got.Total != 1 || got.Alerts[0].Name != "release_halted" {
		t.Errorf("got %s", got.body)
	}
	w.until("nothing waits", func() bool {
		news, err := w.store.Outbox.News(context.Background(), 1, 10)
		return err == nil && len(news) == 0
	})
	if n := len(w.sent()); n != 1 {
		t.Errorf("%d notifications, want 1", n)
	}
}

func TestANewChannelGetsNothingOfWhatWasBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deleted := w.channel()
	w.raise(alert(1)) // it stays in the news: nothing runs
	if err := w.Delete(t.Context(), boss, deleted.ID); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.until("the news are dropped", func() bool {
		news, err := w.store.Outbox.News(context.Background(), 1, 10)
		return err == nil && len(news) == 0
	})
	w.channel()
	w.raise(alert(2))
	if got := w.next(); got.Total != 1 || got.Alerts[0].Device != "lamp-2" {
		t.Errorf("got %s", got.body)
	}
}

// A look at the team's news may be under way when the channel is added.
func TestAnAlertReachesAChannelAddedJustBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	for n := range 50 {
		w.Wake(1)
		c := w.channel()
		w.raise(alert(n))
		if got := w.next(); got.Total != 1 || got.Alerts[0].Device != alert(n).Device {
			t.Errorf("alert %d: got %s", n, got.body)
		}
		if err := w.Delete(t.Context(), boss, c.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWaitsForADeletedChannelIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pauses[0] = patience
	w.receiver.failing(http.StatusInternalServerError)
	c := w.channel()
	w.run()
	w.raise(alert(1))
	w.next()
	w.until("it waits", func() bool { sent := w.sent(); return len(sent) == 1 && len(sent[0].Tries) == 1 })
	if err := w.Delete(t.Context(), boss, c.ID); err != nil {
		t.Fatal(err)
	}
	w.until("it is settled", func() bool { return w.sent()[0].State == Failed })
	if _, err := w.SendAgain(t.Context(), boss, w.sent()[0].ID); fleet.KindOf(err) != fleet.NotFound {
		t.Errorf("send again: got %v", err)
	}
}

// A channel has at most one notification under way and one that gathers, whatever is raised.
func TestWhatWaitsForOneChannelIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pauses[0] = patience
	w.Service.gathering[Webhook] = 0
	w.receiver.failing(http.StatusInternalServerError)
	w.channel()
	w.run()
	raised := 0
	for round := range 5 {
		for n := range 100 {
			w.raise(alert(n))
			raised++
		}
		w.until("they are gathered", func() bool {
			total := 0
			for _, n := range w.sent() {
				total += n.Total
			}
			return total == raised
		})
		if n := len(w.sent()); n > 2 {
			t.Fatalf("round %d: %d notifications wait", round, n)
		}
	}
}
