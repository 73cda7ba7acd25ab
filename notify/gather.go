package notify

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/outbox"
)

// newsChunk is how many alerts are looked at in one step.
const newsChunk = 500

// gathering is the time between two notifications of alerts to one channel. What is raised meanwhile
// is in one notification: a storm of alerts is one message.
var gathering = map[Medium]time.Duration{Webhook: 10 * time.Second, Mail: 5 * time.Minute}

// gather puts news, the ids of alerts, into notifications.
func (w *worker) gather(ctx context.Context, q *lane, news []string) error {
	if len(news) == 0 {
		return nil
	}
	alerts, err := w.config.Messages.AlertsOf(ctx, q.team, news)
	if err != nil {
		return err
	}
	changed := map[*Notification]bool{}
	for id, c := range q.channels {
		wanted := slices.DeleteFunc(slices.Clone(alerts), func(a fleet.Alert) bool { return !slices.Contains(c.Topics, TopicOf(a.Name)) })
		if c.Paused || len(wanted) == 0 {
			continue
		}
		n := q.open(id)
		if n == nil {
			if n, err = w.begin(ctx, q, c); err != nil {
				return err
			}
		}
		for _, a := range wanted {
			n.add(a)
		}
		changed[n] = true
	}
	change := outbox.Change{News: news}
	for n := range maps.Keys(changed) {
		change.Records = append(change.Records, record(n, q.texts[n.ID]))
	}
	if err := w.config.Outbox.Commit(ctx, q.team, change); err != nil {
		return err
	}
	for _, r := range change.Records {
		q.texts[r.ID] = r.Text
	}
	return nil
}

// open is the notification of a channel that still gathers alerts.
func (q *lane) open(channel string) *Notification {
	for _, n := range q.waiting {
		if n.Channel == channel && n.About == ofAlerts && n.State == Waiting && n.Begun.IsZero() {
			return n
		}
	}
	return nil
}

// begin makes a notification for a channel's alerts, due when the last one is long enough ago.
func (w *worker) begin(ctx context.Context, q *lane, c Channel) (*Notification, error) {
	n, err := w.notification(ctx, q.team, c, ofAlerts, "")
	if err != nil {
		return nil, err
	}
	if due := w.gathered[c.ID].Add(w.gathering[c.Kind]); due.After(n.Due) {
		n.Due = due.UTC()
	}
	q.waiting = append(q.waiting, &n)
	return &n, nil
}
