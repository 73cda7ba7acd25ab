package notify

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/outbox"
)

const (
	sweepEvery  = 30 * time.Second // between two looks at all teams, for what another process stored
	sweepShared = 2 * time.Second  // the same where other servers store what this one delivers
	retryAfter  = 5 * time.Second  // after the store did not answer

	maxAttempts     = 128 // under way at a time
	maxTeamAttempts = 4   // of one team
)

// worker delivers. Only its Run uses its fields, except that attempts send to done.
type worker struct {
	*Service

	next     map[fleet.TeamID]time.Time // when to look at a team again
	busy     map[string]fleet.TeamID    // channels with an attempt under way, and their teams
	gathered map[string]time.Time       // when the newest notification of alerts of a channel began
	done     chan attempted
	attempts sync.WaitGroup
}

// attempted is the end of an attempt.
type attempted struct {
	team    fleet.TeamID
	channel string
}

// Run delivers the notifications of all teams until ctx ends, and then waits for attempts under way.
// Of several servers that share the store, the one that leads delivers.
func (s *Service) Run(ctx context.Context) {
	w := &worker{
		Service: s, next: map[fleet.TeamID]time.Time{}, busy: map[string]fleet.TeamID{}, gathered: map[string]time.Time{},
		done: make(chan attempted, maxAttempts),
	}
	defer w.attempts.Wait()
	sweep := time.NewTicker(s.sweepEvery)
	defer sweep.Stop()
	w.sweep(ctx)
	for {
		timer := time.NewTimer(w.idle(time.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-sweep.C:
			w.sweep(ctx)
		case d := <-w.done:
			delete(w.busy, d.channel)
			w.next[d.team] = time.Time{}
		case <-w.wake:
			w.raise(ctx)
			w.mu.Lock()
			for team := range w.woken {
				w.next[team] = time.Time{}
			}
			clear(w.woken)
			w.mu.Unlock()
		case <-timer.C:
		}
		timer.Stop()
		if !w.config.Leads() {
			clear(w.next) // the next sweep after it leads finds what is due
			continue
		}
		now := time.Now()
		for team, due := range w.next {
			if !due.After(now) {
				w.look(ctx, team)
			}
		}
	}
}

// idle is how long nothing is due.
func (w *worker) idle(now time.Time) time.Duration {
	idle := time.Hour
	for _, due := range w.next {
		idle = min(idle, due.Sub(now))
	}
	return max(idle, 0)
}

// sweep makes all teams due.
func (w *worker) sweep(ctx context.Context) {
	teams, err := w.config.Teams.AllTeams(ctx)
	if err != nil {
		return // the store logs that it can't be used
	}
	for _, team := range teams {
		w.next[team] = time.Time{}
	}
}

// raise raises the alerts that too many updates failed.
func (w *worker) raise(ctx context.Context) {
	for product, e := range w.rates.take() {
		name, err := w.config.Name(ctx, product)
		if err != nil {
			name = product.String()
		}
		w.config.Raise(ctx, e.team, failuresAlert, strconv.Itoa(e.failed)+" of "+strconv.Itoa(e.ended)+" updates of product "+name+
			" that ended within an hour failed ("+strconv.Itoa(100*e.failed/e.ended)+" %)")
	}
}

// look does what is due for a team and notes when to look again.
func (w *worker) look(ctx context.Context, team fleet.TeamID) {
	delete(w.next, team)
	again, err := w.tend(ctx, team)
	if err != nil {
		if ctx.Err() == nil && fleet.KindOf(err) != fleet.Unavailable {
			w.config.Log.Error("notifications are delayed", "team", team, "err", err)
		}
		again = time.Now().Add(retryAfter)
	}
	if !again.IsZero() {
		w.next[team] = again
	}
}

// tend makes notifications of a team's news, and of what digests are due, and begins to deliver what
// is due. It returns when there is more to do, zero: when something happens.
func (w *worker) tend(ctx context.Context, team fleet.TeamID) (again time.Time, err error) {
	// The news are read before the channels: an alert raised after a channel was added finds it.
	news, err := w.config.Outbox.News(ctx, team, newsChunk)
	if err != nil {
		return again, err
	}
	t, err := w.team(ctx, team)
	if err != nil {
		return again, err
	}
	queue, err := w.config.Outbox.Queue(ctx, team)
	if err != nil {
		return again, err
	}
	ids := make([]string, len(queue))
	for i, q := range queue {
		ids[i] = q.ID
	}
	waiting, texts, err := w.records(ctx, team, ids)
	if err != nil {
		return again, err
	}
	q := &lane{team: team, teamOf: t, waiting: waiting, texts: texts}
	if err := w.gather(ctx, q, news); err != nil {
		return again, err
	}
	if err := w.digests(ctx, q); err != nil {
		return again, err
	}
	w.counters.wait(team, q.waiting) // before attempts, which write them, begin
	if again, err = w.deliver(ctx, q); err == nil {
		again = earlier(again, q.digest)
	}
	if len(news) == newsChunk { // there may be more
		again = time.Now()
	}
	return again, err
}

// lane is what a look at a team works on.
type lane struct {
	teamOf

	team    fleet.TeamID
	waiting []*Notification   // to be delivered, the first due first
	texts   map[string]string // as which they are stored, by id
	digest  time.Time         // when the next digest is due
}

// head is the notification that a channel gets next: one that was begun comes first.
func (q *lane) head(channel string) (head *Notification) {
	for _, n := range q.waiting {
		if n.Channel == channel && n.State == Waiting && (head == nil || head.Begun.IsZero() && !n.Begun.IsZero()) {
			head = n
		}
	}
	return head
}

// deliver begins an attempt at the head of each channel where one is due, and returns when the next is.
func (w *worker) deliver(ctx context.Context, q *lane) (again time.Time, err error) {
	now := time.Now()
	for _, n := range q.waiting {
		if _, known := q.channels[n.Channel]; !known {
			if err := w.drop(ctx, q, n); err != nil {
				return again, err
			}
		}
	}
	for id, c := range q.channels {
		n := q.head(id)
		if n == nil || c.Paused || w.busy[id] != 0 {
			continue
		}
		if n.Due.After(now) {
			again = earlier(again, n.Due)
			continue
		}
		if !w.free(q.team) {
			again = earlier(again, now.Add(time.Second))
			continue
		}
		if n.Begun.IsZero() { // stored first: from here on it says the same at every attempt
			n.Begun = now.UTC()
			r := record(n, q.texts[n.ID])
			if err := w.config.Outbox.Commit(ctx, q.team, outbox.Change{Records: []outbox.Record{r}}); err != nil {
				return again, err
			}
			q.texts[n.ID] = r.Text
			if n.About == ofAlerts {
				w.gathered[id] = now
			}
		}
		w.busy[id] = q.team
		text := q.texts[n.ID] // read here: others write the map while the attempt runs
		w.attempts.Go(func() {
			w.try(ctx, q.team, c, n, text)
			w.done <- attempted{q.team, id}
		})
	}
	return again, nil
}

// free reports whether a team may have one more attempt under way.
func (w *worker) free(team fleet.TeamID) bool {
	own := 0
	for _, t := range w.busy {
		if t == team {
			own++
		}
	}
	return own < maxTeamAttempts && len(w.busy) < maxAttempts
}

// try makes one attempt and stores what became of it. If the process ends before that, the attempt
// is made again, with the same id.
func (w *worker) try(ctx context.Context, team fleet.TeamID, c Channel, n *Notification, before string) {
	w.attempt(ctx, team, c, n)
	if ctx.Err() != nil && n.State != Sent {
		return // the attempt was cut off by the end of the process: it costs nothing
	}
	w.counters.tried(c.Kind, n)
	if err := w.config.Outbox.Commit(context.WithoutCancel(ctx), team, outbox.Change{Records: []outbox.Record{record(n, before)}}); err != nil {
		w.config.Log.Warn("a notification may be sent twice: what became of it was not stored", "team", team, "notification", n.ID, "err", err)
		return
	}
	if n.State == Failed && n.About != ofTest {
		w.config.Raise(ctx, team, undeliveredAlert, "channel "+c.Name+" could not be reached in "+strconv.Itoa(len(w.pauses)+1)+
			" attempts, the last: "+n.Tries[len(n.Tries)-1].Error+"; send it again from the list of notifications")
	}
}

// drop ends a notification whose channel was deleted.
func (w *worker) drop(ctx context.Context, q *lane, n *Notification) error {
	n.State, n.Due = Failed, time.Time{}
	n.Tries = append(n.Tries, Try{At: time.Now().UTC(), Error: "the channel was deleted"})
	err := w.config.Outbox.Commit(ctx, q.team, outbox.Change{Records: []outbox.Record{record(n, q.texts[n.ID])}})
	if fleet.KindOf(err) == fleet.Conflict { // an attempt has ended meanwhile
		return nil
	}
	return err
}

// earlier returns the earlier of two times, of which zero counts as none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
