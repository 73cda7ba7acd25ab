package notify

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify/webhook"
	"github.com/muster-iot/muster/store/outbox"
)

// Channels returns the channels of the actor's team, by name, without secrets.
func (s *Service) Channels(ctx context.Context, actor fleet.Actor) ([]Channel, error) {
	if err := actor.May(fleet.EditChannels); err != nil {
		return nil, err
	}
	t, err := s.team(ctx, actor.Team)
	var all []Channel
	for _, c := range t.channels {
		c.Secret = ""
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Channel) int { return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID) })
	return all, err
}

// Channel returns one channel, without its secret.
func (s *Service) Channel(ctx context.Context, actor fleet.Actor, id string) (Channel, error) {
	_, c, err := s.find(ctx, actor, id)
	c.Secret = ""
	return c, err
}

// Known returns fleet.NotFound if a team has neither a channel nor a notification with this id. It
// checks no rights.
func (s *Service) Known(ctx context.Context, team fleet.TeamID, id string) error {
	t, err := s.team(ctx, team)
	if err != nil {
		return err
	}
	if _, known := t.channels[id]; known {
		return nil
	}
	texts, err := s.config.Outbox.Records(ctx, team, []string{id})
	if err == nil && texts[0] == "" {
		err = fleet.Errorf(fleet.NotFound, "no such channel or notification: %.60s", id)
	}
	return err
}

func (s *Service) find(ctx context.Context, actor fleet.Actor, id string) (teamOf, Channel, error) {
	if err := actor.May(fleet.EditChannels); err != nil {
		return teamOf{}, Channel{}, err
	}
	t, err := s.team(ctx, actor.Team)
	if err != nil {
		return t, Channel{}, err
	}
	c, known := t.channels[id]
	if !known {
		return t, c, fleet.Errorf(fleet.NotFound, "no such channel: %.60s", id)
	}
	return t, c, nil
}

// Create adds a channel; its id, secret and time are made here. The answer has the secret of a
// webhook, which no later one has.
func (s *Service) Create(ctx context.Context, actor fleet.Actor, c Channel) (Channel, error) {
	if err := actor.May(fleet.EditChannels); err != nil {
		return c, err
	}
	now := time.Now().UTC()
	c.ID, c.Created, c.Since, c.Secret = strings.ToLower(rand.Text()[:12]), now, now, ""
	if err := s.check(&c); err != nil {
		return c, err
	}
	if c.Kind == Webhook {
		c.Secret = webhook.NewSecret()
	}
	t, err := s.team(ctx, actor.Team)
	if err != nil {
		return c, err
	}
	if len(t.channels) >= maxChannels {
		return c, &fleet.Error{Kind: fleet.Conflict, Code: "quota_exceeded", Text: "a team has at most 20 channels: delete one first"}
	}
	if err := s.config.Outbox.Swap(ctx, actor.Team, c.ID, "", encoded(c)); err != nil {
		return c, err
	}
	s.config.Audit.Record(ctx, actor, "channel.create", c.Name, nil, c.fields())
	s.Wake(actor.Team)
	return c, nil
}

// Edit changes a channel. change sets fields; what it does to id, kind, secret and times has no effect.
func (s *Service) Edit(ctx context.Context, actor fleet.Actor, id string, change func(*Channel)) (Channel, error) {
	t, before, err := s.find(ctx, actor, id)
	if err != nil {
		return before, err
	}
	c := before
	change(&c)
	c.ID, c.Kind, c.Secret, c.Created, c.Since = before.ID, before.Kind, before.Secret, before.Created, before.Since
	if c.Digest != before.Digest || c.Hour != before.Hour || c.Zone != before.Zone {
		c.Since = time.Now().UTC()
	}
	if err := s.check(&c); err != nil {
		return c, err
	}
	if c.Kind == Webhook {
		c.Secret = before.Secret
	}
	if err := s.config.Outbox.Swap(ctx, actor.Team, id, t.texts[id], encoded(c)); err != nil {
		return c, err
	}
	s.config.Audit.Record(ctx, actor, "channel.update", c.Name, before.fields(), c.fields())
	s.Wake(actor.Team)
	c.Secret = ""
	return c, nil
}

// RotateSecret replaces the secret of a webhook and returns the new one. From then on, requests are
// signed with that one.
func (s *Service) RotateSecret(ctx context.Context, actor fleet.Actor, id string) (Channel, error) {
	t, c, err := s.find(ctx, actor, id)
	if err != nil {
		return c, err
	}
	if c.Kind != Webhook {
		return c, fleet.Errorf(fleet.Conflict, "channel %s sends mail: it has no secret", c.Name)
	}
	c.Secret = webhook.NewSecret()
	if err := s.config.Outbox.Swap(ctx, actor.Team, id, t.texts[id], encoded(c)); err != nil {
		return c, err
	}
	s.config.Audit.Record(ctx, actor, "channel.secret", c.Name, nil, audit.Fields{"rotated": true})
	return c, nil
}

// Delete removes a channel. What waits for it is not delivered.
func (s *Service) Delete(ctx context.Context, actor fleet.Actor, id string) error {
	t, c, err := s.find(ctx, actor, id)
	if err != nil {
		return err
	}
	if err := s.config.Outbox.Swap(ctx, actor.Team, id, t.texts[id], ""); err != nil {
		return err
	}
	s.config.Audit.Record(ctx, actor, "channel.delete", c.Name, c.fields(), nil)
	s.Wake(actor.Team)
	return nil
}

func (c Channel) fields() audit.Fields {
	return audit.Fields{
		"kind": c.Kind, "receiver": c.Receiver(), "topics": c.Topics, "digest": c.Digest, "hour": c.Hour, "zone": c.Zone, "paused": c.Paused,
	}
}

// Settings returns the limits of the actor's team, and whether this server sends mail.
func (s *Service) Settings(ctx context.Context, actor fleet.Actor) (settings Settings, mail bool, err error) {
	if err := actor.May(fleet.EditChannels); err != nil {
		return settings, false, err
	}
	t, err := s.team(ctx, actor.Team)
	return t.settings, s.config.Mail != nil, err
}

// Set replaces the limits of the actor's team.
func (s *Service) Set(ctx context.Context, actor fleet.Actor, settings Settings) error {
	if err := actor.May(fleet.EditChannels); err != nil {
		return err
	}
	if err := settings.check(); err != nil {
		return err
	}
	t, err := s.team(ctx, actor.Team)
	if err != nil {
		return err
	}
	if err := s.config.Outbox.Swap(ctx, actor.Team, settingsName, t.texts[settingsName], encoded(settings)); err != nil {
		return err
	}
	fields := func(s Settings) audit.Fields {
		return audit.Fields{"failure_percent": s.Percent, "failure_sample": s.Sample}
	}
	s.config.Audit.Record(ctx, actor, "channel.settings", "notifications", fields(t.settings), fields(settings))
	s.rates.set(actor.Team, settings)
	return nil
}

// Test makes one attempt to reach a channel, at once, and returns what became of it. It is in the
// log like any other notification. It returns fleet.Busy above a test per 10 s.
func (s *Service) Test(ctx context.Context, actor fleet.Actor, id string) (Notification, error) {
	_, c, err := s.find(ctx, actor, id)
	if err != nil {
		return Notification{}, err
	}
	if !s.tests.Take(actor.Team) {
		return Notification{}, fleet.Errorf(fleet.Busy, "too many tests of channels: wait 10 seconds")
	}
	n, err := s.notification(ctx, actor.Team, c, ofTest, "")
	if err != nil {
		return n, err
	}
	s.attempt(ctx, actor.Team, c, &n)
	n.Due = time.Time{}
	if n.State == Waiting {
		n.State = Failed // a test is not tried again
	}
	err = s.config.Outbox.Commit(context.WithoutCancel(ctx), actor.Team, outbox.Change{Records: []outbox.Record{record(&n, "")}})
	return n, err
}

// notification returns a new one for a channel; with "" it gets a random id.
func (s *Service) notification(ctx context.Context, team fleet.TeamID, c Channel, about, id string) (Notification, error) {
	t, err := s.config.Teams.Team(ctx, team)
	if id == "" {
		id = "ntf_" + strings.ToLower(rand.Text()[:20])
	}
	now := time.Now().UTC()
	return Notification{ID: id, Channel: c.ID, Name: c.Name, About: about, Team: t.Name, Created: now, State: Waiting, Due: now}, err
}

// Log returns the newest notifications of the actor's team, of one channel unless channel is "", and
// in one state unless state is "".
func (s *Service) Log(ctx context.Context, actor fleet.Actor, channel string, state State) ([]*Notification, error) {
	if err := actor.May(fleet.EditChannels); err != nil {
		return nil, err
	}
	ids, err := s.config.Outbox.Log(ctx, actor.Team, 0, outbox.MaxRecords)
	if err != nil {
		return nil, err
	}
	all, _, err := s.records(ctx, actor.Team, ids)
	return slices.DeleteFunc(all, func(n *Notification) bool {
		return channel != "" && n.Channel != channel || state != "" && n.State != state
	}), err
}

// SendAgain queues a notification that was sent or failed once more, with the same id and content.
func (s *Service) SendAgain(ctx context.Context, actor fleet.Actor, id string) (*Notification, error) {
	if err := actor.May(fleet.EditChannels); err != nil {
		return nil, err
	}
	found, texts, err := s.records(ctx, actor.Team, []string{id})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fleet.Errorf(fleet.NotFound, "no such notification: %.60s", id)
	}
	n := found[0]
	if n.State == Waiting {
		return nil, fleet.Errorf(fleet.Conflict, "the notification waits to be sent already")
	}
	if _, _, err := s.find(ctx, actor, n.Channel); err != nil {
		return nil, fleet.Hide(err, "the channel %s of this notification was deleted", n.Name)
	}
	n.State, n.Spent, n.Due = Waiting, 0, time.Now().UTC()
	if err := s.config.Outbox.Commit(ctx, actor.Team, outbox.Change{Records: []outbox.Record{record(n, texts[id])}}); err != nil {
		return nil, err
	}
	s.config.Audit.Record(ctx, actor, "channel.send_again", n.Name, nil, audit.Fields{"notification": id})
	s.Wake(actor.Team)
	return n, nil
}
