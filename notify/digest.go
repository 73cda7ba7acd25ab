package notify

import (
	"context"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/outbox"
)

// digests makes the digests that are due.
func (w *worker) digests(ctx context.Context, q *lane) error {
	var marks map[string]string
	for id, c := range q.channels {
		if c.Digest == NoDigest || c.Paused {
			continue
		}
		last, next, err := c.boundaries(time.Now())
		if err != nil {
			return err
		}
		q.digest = earlier(q.digest, next)
		if !last.After(c.Since) {
			continue
		}
		if marks == nil {
			if marks, err = w.config.Outbox.Marks(ctx, q.team); err != nil {
				return err
			}
		}
		day := last.Format("20060102")
		if marks[id] == day {
			continue
		}
		n, err := w.digest(ctx, q.team, c, last, day)
		if err != nil {
			return err
		}
		r := record(&n, "")
		if err := w.config.Outbox.Commit(ctx, q.team, outbox.Change{Records: []outbox.Record{r}, Mark: id, Marked: day}); err != nil {
			return err
		}
		q.waiting, q.texts[n.ID] = append(q.waiting, &n), r.Text
	}
	return nil
}

// boundaries returns the ends of the periods before and after now, at c.Hour in its zone. Across a
// change of clocks, a day has 23 or 25 hours.
func (c Channel) boundaries(now time.Time) (last, next time.Time, err error) {
	zone, err := c.zone()
	if err != nil {
		return last, next, err
	}
	local, days := now.In(zone), 1
	day := local.Day()
	if c.Digest == Weekly {
		days = 7
		day -= (int(local.Weekday()) + 6) % 7 // Monday
	}
	last = time.Date(local.Year(), local.Month(), day, c.Hour, 0, 0, 0, zone)
	if last.After(now) {
		day -= days
		last = time.Date(local.Year(), local.Month(), day, c.Hour, 0, 0, 0, zone)
	}
	return last, time.Date(local.Year(), local.Month(), day+days, c.Hour, 0, 0, 0, zone), nil
}

// maxCounted bounds the alerts that a digest counts.
const maxCounted = 10_000

// digest returns the digest of the period that ended at to.
func (w *worker) digest(ctx context.Context, team fleet.TeamID, c Channel, to time.Time, day string) (Notification, error) {
	n, err := w.notification(ctx, team, c, ofDigest, "dig_"+c.ID+"_"+day)
	if err != nil {
		return n, err
	}
	days := 1
	if c.Digest == Weekly {
		days = 7
	}
	r := &Summary{Period: c.Digest, From: to.AddDate(0, 0, -days).UTC(), To: to.UTC(), Alerts: map[string]int{}}
	if r.Products, err = w.config.Products(ctx, team); err != nil {
		return n, err
	}
	err = w.count(ctx, team, r)
	n.Summary = r
	return n, err
}

// count counts the alerts raised in a report's time, archived ones too.
func (w *worker) count(ctx context.Context, team fleet.TeamID, r *Summary) error {
	for _, archived := range []bool{false, true} {
		for after, counted := "", 0; ; {
			page, next, err := w.config.Messages.Alerts(ctx, team, "", archived, after, 100)
			if err != nil {
				return err
			}
			for _, a := range page {
				if !a.Raised.Before(r.From) && a.Raised.Before(r.To) {
					r.Alerts[nameOf(a)]++
				}
			}
			counted += len(page)
			r.Least = r.Least || counted >= maxCounted
			if after = next; after == "" || counted >= maxCounted || page[len(page)-1].Raised.Before(r.From.Add(-time.Hour)) {
				break
			}
		}
	}
	return nil
}
