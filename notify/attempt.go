package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify/mail"
	"github.com/muster-iot/muster/notify/webhook"
)

// nightlong are the pauses after failed attempts, which together outlast a night.
var nightlong = []time.Duration{
	10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
}

// attempt tries to deliver n once and notes in n what became of it.
func (s *Service) attempt(ctx context.Context, team fleet.TeamID, c Channel, n *Notification) {
	began := time.Now()
	if n.Begun.IsZero() {
		n.Begun = began.UTC()
	}
	try := Try{At: began.UTC()}
	var err error
	switch c.Kind {
	case Webhook:
		try.Status, err = s.config.Webhook.Post(ctx, c.URL, c.Secret, n.ID, n.payload(team, s.config.Link))
	default:
		err = s.config.Mail.Send(ctx, mail.Email{ID: n.ID, To: c.To, Subject: n.Subject(), Text: n.Text(s.config.Link)})
	}
	try.Took = time.Since(began).Round(time.Millisecond)
	if err != nil {
		try.Error = err.Error()
	}
	n.note(try, s.pauses, errors.Is(err, webhook.ErrGone))
}

// note adds an attempt and decides what comes next; with last there is no further one.
func (n *Notification) note(try Try, pauses []time.Duration, last bool) {
	n.Tries = append(n.Tries, try)
	n.Tries = n.Tries[max(0, len(n.Tries)-maxTries):]
	switch {
	case try.Error == "":
		n.State, n.Due = Sent, time.Time{}
	case last || n.Spent >= len(pauses):
		n.State, n.Due = Failed, time.Time{}
	default:
		n.Due = try.At.Add(try.Took + pauses[n.Spent])
		n.Spent++
	}
}

// Invite mails an invitation with its link and reports whether it did: not without a mail server. The
// link is a secret that is stored nowhere, so this is one attempt, at once; if it fails, the inviter
// passes the link on. A nil Service mails nothing.
func (s *Service) Invite(ctx context.Context, actor fleet.Actor, i fleet.Invitation, link string) (mailed bool) {
	if s == nil || s.config.Mail == nil || !s.invitations.Take(actor.Team) {
		return false
	}
	t, err := s.config.Teams.Team(ctx, actor.Team)
	if err == nil {
		err = s.config.Mail.Send(ctx, mail.Email{
			ID: "inv_" + strings.ToLower(rand.Text()), To: []string{i.Email}, Subject: actor.Email + " invites you to " + t.Name + " on Muster",
			Text: actor.Email + " invites you to team " + t.Name + " on Muster, with the role " + i.Role.String() + ".\n\nAccept by " +
				i.Expires.UTC().Format(stamp) + ":\n" + link + "\n\nThe link works once. If you don't know " + actor.Email + ", ignore this mail.\n",
		})
	}
	if err != nil {
		s.config.Log.Warn("invitation not mailed: the inviter passes the link on", "team", actor.Team, "err", err)
	}
	return err == nil
}
