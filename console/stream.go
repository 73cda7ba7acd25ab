package console

import (
	"context"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

const (
	maxSessionStreams = 4 // a browser makes six connections over HTTP/1.1: two are left for pages
	sendAfter         = 200 * time.Millisecond
	sendEvery         = time.Second // what happens in between is sent together
)

// stream sends l's text to the page until the page is closed, its session ends or the server
// shuts down.
func (v *visit) stream(l sse.Listener) error {
	over, end, err := v.streams.Begin(v.secret)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithCancel(v.ctx())
	defer cancel()
	place, err := v.quotas.Streams.Take(v.actor.Team, v.actor.Email, cancel)
	if err != nil {
		return err
	}
	defer place.Leave()
	events, leave := v.live.Listen(v.actor.Team)
	defer leave()
	if err := streamTo(l, currentRights{v.Console}, v.secret, events, over).Run(ctx, sse.NewWriter(v.w)); err != nil {
		v.log.Debug("console: a stream ended", "err", err)
	}
	return nil
}

// streamTo returns a page's stream. Browsers reconnect after 2 s.
func streamTo(l sse.Listener, rights sse.Rights, secret string, events <-chan event.Event, over <-chan struct{}) sse.Stream {
	return sse.Stream{
		Listener: l, Rights: rights, Secret: secret, Events: events, Over: over,
		Greeting: "retry: 2000\n\n", Farewell: sse.Event("over", "signed out"), Delay: sendAfter, Interval: sendEvery,
	}
}

// currentRights implements sse.Rights.
type currentRights struct{ *Console }

// Actor implements sse.Rights.
func (r currentRights) Actor(ctx context.Context, secret string) (fleet.Actor, error) {
	return r.accounts.Actor(ctx, secret)
}

// Hear implements sse.Rights.
func (r currentRights) Hear(ctx context.Context, actor fleet.Actor, e event.Event) (event.View, bool, error) {
	return r.registry.Hear(ctx, actor, e)
}
