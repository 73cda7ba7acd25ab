package console

import (
	"errors"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/sse"
)

const (
	maxSessionStreams = 4 // a browser makes six connections over HTTP/1.1: two are left for pages
	sendAfter         = 200 * time.Millisecond
	sendEvery         = time.Second // what happens in between is sent together
)

// stream sends the page what l makes of events until the page is closed, its session ends, or
// the server shuts down.
func (v *visit) stream(l sse.Listener) error {
	over, end, err := v.streams.Begin(v.secret)
	if err != nil {
		return err
	}
	defer end()
	events, leave := v.live.Listen(v.actor.Team)
	defer leave()
	out := sse.NewWriter(v.w)
	err = sse.Stream{
		Listener: l, Rights: v.registry, Secret: v.secret, Events: events, Over: over,
		Greeting: "retry: 2000\n\n", Delay: sendAfter, Interval: sendEvery,
	}.Run(v.ctx(), out)
	switch {
	case err == nil || v.ctx().Err() != nil:
	case errors.Is(err, fleet.Unauthenticated):
		_ = out.Write(sse.Event("over", "signed out")) // the browser may have gone
	default:
		v.log.Debug("console: a stream ended", "err", err)
	}
	return nil
}
