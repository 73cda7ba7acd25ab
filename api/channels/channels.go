// Package channels is the operations of the REST API on notifications: where they go, what became
// of them.
package channels

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify"
)

// operations are those on the notifications of the caller's team.
type operations struct{ *rest.API }

const (
	example = `{"name":"on call","kind":"webhook","url":"https://example.com/hooks/muster","topics":["halts","failures"]}`
	digest  = 7 // the hour of digests, unless another is sent
)

// Tables returns the routes.
func Tables(a *rest.API) []route.Table {
	const all, one, sent = "/v1/team/channels", "/v1/team/channels/{channel}", "/v1/team/notifications"
	o, access := operations{a}, route.Needs(fleet.EditChannels)
	return []route.Table{{Tag: "notifications", Routes: []route.Route{
		route.Get("ListChannels", all, "Where notifications go", access, o.list),
		route.Post("CreateChannel", all, "Add a webhook or mail addresses", access, o.create).Created().Fails(http.StatusConflict).Example(example),
		route.Get("GetChannel", one, "One channel", access, o.get),
		route.Put("UpdateChannel", one, "Change a channel, or pause it", access, o.update).Fails(http.StatusConflict).Example(`{"paused":true}`),
		route.Delete("DeleteChannel", one, "Delete a channel", access, o.remove).Fails(http.StatusConflict),
		route.Post("TestChannel", one+"/test", "Send a test now, and answer what became of it", access, o.test).Fails(http.StatusTooManyRequests),
		route.Post("RotateChannelSecret", one+"/secret", "Replace the secret that a webhook's requests are signed with", access, o.rotate).Fails(http.StatusConflict),
		route.Get("GetNotifySettings", "/v1/team/notify", "Limits of the team's notifications", access, o.settings),
		route.Put("UpdateNotifySettings", "/v1/team/notify", "Set these", access, o.set).Fails(http.StatusConflict).Example(`{"failure_percent":10,"failure_sample":20}`),
		route.Get("ListNotifications", sent, "The newest notifications, with their attempts", access, o.log),
		route.Post("SendNotification", sent+"/{notification}/send", "Send one again, with the same id", access, o.again).
			Accepted().Fails(http.StatusConflict),
	}}}
}

// ChannelPath names a channel. huma fills embedded fields of exported types only.
type ChannelPath struct {
	Channel string `path:"channel" doc:"Channel id"`
}

// See looks the channel up.
func (p *ChannelPath) See(ctx context.Context, a *rest.API, who fleet.Actor) error {
	return a.Notify.Known(ctx, who.Team, p.Channel)
}

// notificationPath names a notification.
type notificationPath struct {
	Notification string `path:"notification" doc:"Notification id"`
}

// See looks the notification up.
func (p *notificationPath) See(ctx context.Context, a *rest.API, who fleet.Actor) error {
	return a.Notify.Known(ctx, who.Team, p.Notification)
}

func (o operations) list(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.ChannelList], error) {
	channels, err := o.Notify.Channels(ctx, who)
	out := api.ChannelList{Channels: []api.Channel{}}
	for _, c := range channels {
		out.Channels = append(out.Channels, shown(c))
	}
	return route.Answer(out, err)
}

func (o operations) create(ctx context.Context, who fleet.Actor, in *struct{ route.Input[api.NewChannel] }) (*route.Reply[api.Channel], error) {
	c := notify.Channel{
		Name: in.In.Name, Kind: notify.Medium(in.In.Kind), URL: in.In.URL, To: in.In.To, Topics: notify.Topics,
		Digest: notify.Digest(in.In.Digest), Hour: digest, Zone: in.In.Zone,
	}
	if in.In.Topics != nil {
		c.Topics = topics(*in.In.Topics)
	}
	if in.In.Hour != nil {
		c.Hour = *in.In.Hour
	}
	c, err := o.Notify.Create(ctx, who, c)
	return route.Answer(shown(c), err)
}

func (o operations) get(ctx context.Context, who fleet.Actor, in *ChannelPath) (*route.Reply[api.Channel], error) {
	c, err := o.Notify.Channel(ctx, who, in.Channel)
	return route.Answer(shown(c), err)
}

func (o operations) update(ctx context.Context, who fleet.Actor, in *struct {
	ChannelPath
	route.Input[api.ChannelUpdate]
}) (*route.Reply[api.Channel], error) {
	u := in.In
	c, err := o.Notify.Edit(ctx, who, in.Channel, func(c *notify.Channel) {
		set(&c.Name, u.Name)
		set(&c.URL, u.URL)
		set((*api.Names)(&c.To), u.To)
		set(&c.Hour, u.Hour)
		set(&c.Zone, u.Zone)
		set(&c.Paused, u.Paused)
		set((*string)(&c.Digest), u.Digest)
		if u.Topics != nil {
			c.Topics = topics(*u.Topics)
		}
	})
	return route.Answer(shown(c), err)
}

// set assigns *value to *target, unless value is nil.
func set[T any](target *T, value *T) {
	if value != nil {
		*target = *value
	}
}

func (o operations) remove(ctx context.Context, who fleet.Actor, in *ChannelPath) (*route.None, error) {
	return nil, o.Notify.Delete(ctx, who, in.Channel)
}

func (o operations) test(ctx context.Context, who fleet.Actor, in *ChannelPath) (*route.Reply[api.Notification], error) {
	n, err := o.Notify.Test(ctx, who, in.Channel)
	return answer(&n, err)
}

func (o operations) rotate(ctx context.Context, who fleet.Actor, in *ChannelPath) (*route.Reply[api.Channel], error) {
	c, err := o.Notify.RotateSecret(ctx, who, in.Channel)
	return route.Answer(shown(c), err)
}

func (o operations) settings(ctx context.Context, who fleet.Actor, _ *struct{}) (*route.Reply[api.NotifySettings], error) {
	s, mail, err := o.Notify.Settings(ctx, who)
	return route.Answer(api.NotifySettings{Percent: &s.Percent, Sample: &s.Sample, Mail: mail}, err)
}

func (o operations) set(ctx context.Context, who fleet.Actor, in *struct {
	route.Input[api.NotifySettings]
}) (*route.Reply[api.NotifySettings], error) {
	s, _, err := o.Notify.Settings(ctx, who)
	if err != nil {
		return nil, err
	}
	set(&s.Percent, in.In.Percent)
	set(&s.Sample, in.In.Sample)
	if err := o.Notify.Set(ctx, who, s); err != nil {
		return nil, err
	}
	return o.settings(ctx, who, nil)
}

func (o operations) log(ctx context.Context, who fleet.Actor, in *struct {
	route.Cursors
	Channel string `query:"channel" doc:"Of this channel, by id"`
	State   string `query:"state" enum:"waiting,sent,failed"`
}) (*route.Reply[api.Page[api.Notification]], error) {
	all, err := o.Notify.Log(ctx, who, in.Channel, notify.State(in.State))
	if err != nil {
		return nil, err
	}
	page := []api.Notification{}
	next, begun := "", in.PageNextToken == ""
	for _, n := range all {
		switch {
		case !begun:
			begun = n.ID == in.PageNextToken
		case len(page) == in.PageLimit:
			next = page[len(page)-1].ID
		default:
			page = append(page, shownNotification(n))
		}
	}
	if !begun {
		return nil, fleet.FieldErrorf("pageNextToken", "%.60q is not in this list any more: start again without it", in.PageNextToken)
	}
	return route.Answer(api.PageOf(page, next), nil)
}

func (o operations) again(ctx context.Context, who fleet.Actor, in *notificationPath) (*route.Reply[api.Notification], error) {
	n, err := o.Notify.SendAgain(ctx, who, in.Notification)
	return answer(n, err)
}

func answer(n *notify.Notification, err error) (*route.Reply[api.Notification], error) {
	if err != nil {
		return nil, err
	}
	return route.Answer(shownNotification(n), nil)
}

func topics(names api.Names) []notify.Topic {
	list := []notify.Topic{}
	for _, name := range names {
		list = append(list, notify.Topic(name))
	}
	return list
}

func shown(c notify.Channel) api.Channel {
	if c.ID == "" {
		return api.Channel{} // there was an error
	}
	out := api.Channel{
		ID: c.ID, Name: c.Name, Kind: string(c.Kind), URL: c.URL, Secret: c.Secret, To: c.To, Topics: []string{}, Digest: string(c.Digest),
		Hour: c.Hour, Zone: c.Zone, Paused: c.Paused, Receiver: c.Receiver(), Created: rest.Moment(c.Created),
	}
	for _, t := range c.Topics {
		out.Topics = append(out.Topics, string(t))
	}
	return out
}

func shownNotification(n *notify.Notification) api.Notification {
	out := api.Notification{
		ID: n.ID, Channel: n.Channel, Name: n.Name, About: n.About, Subject: n.Subject(), State: string(n.State), Created: rest.Moment(n.Created),
		Due: rest.Moment(n.Due), Alerts: n.Total, Counts: n.Counts, Attempts: []api.Attempt{},
	}
	for _, t := range n.Tries {
		out.Attempts = append(out.Attempts, api.Attempt{At: rest.Moment(t.At), TookMS: t.Took.Milliseconds(), Status: t.Status, Error: t.Error})
	}
	return out
}
