package sse

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
)

// Heartbeat is the usual time between signs of life. particle-api-js gives up after 15 s
// without a byte; a stream whose session ended elsewhere lasts at most this long.
const Heartbeat = 9 * time.Second

// Rights decides what a client hears.
type Rights interface {
	// Actor returns who the stream's client is now: fleet.Unauthenticated when its session or
	// token has ended.
	Actor(ctx context.Context, secret string) (fleet.Actor, error)
	// Hear returns e as actor sees it, and whether the actor may see it at all.
	Hear(ctx context.Context, actor fleet.Actor, e event.Event) (v event.View, hears bool, err error)
}

// Listener selects and formats the events of one stream. Its methods are called from one
// goroutine.
type Listener interface {
	// Select reports whether e may be wanted, without I/O, and returns the event to check the
	// client's rights for.
	Select(e event.Event) (checked event.Event, ok bool)
	// Take keeps an event the client may see. It reports whether there is something to send.
	Take(v event.View) bool
	// Flush formats what was taken since the last call.
	Flush() (text string, err error)
}

// Stream is one client's subscription.
type Stream struct {
	Listener Listener
	Rights   Rights
	Secret   string             // of the client's session or token
	Events   <-chan event.Event // the stream ends when it is closed
	Over     <-chan struct{}    // closed when the session has ended; nil: never
	Greeting string             // sent first, as server-sent events
	Farewell string             // sent last when the session has ended, as server-sent events; "": nothing

	Heartbeat time.Duration // between signs of life; 0: Heartbeat
	Delay     time.Duration // events wait this long for others to be sent with
	Interval  time.Duration // at least this long between two writes of events; with Delay 0: none
}

// Run writes events to out until ctx is done, Events is closed or the session has ended, and
// returns nil then. It returns the error of a write or of a check of rights. Rights are read
// again for each event and at each heartbeat.
func (s Stream) Run(ctx context.Context, out *Writer) error {
	err := s.run(ctx, out)
	if ctx.Err() != nil {
		err = nil // the client has gone
	}
	if errors.Is(err, fleet.Unauthenticated) {
		err = out.Write(s.Farewell)
	}
	return err
}

func (s Stream) run(ctx context.Context, out *Writer) error {
	if s.Heartbeat == 0 {
		s.Heartbeat = Heartbeat
	}
	err := out.Write(s.Greeting)
	beat := time.NewTicker(s.Heartbeat)
	defer beat.Stop()
	var due <-chan time.Time // nil: nothing to send
	var sent time.Time
	for err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-s.Over:
			return fleet.Errorf(fleet.Unauthenticated, "signed out")
		case <-beat.C:
			if _, err = s.Rights.Actor(ctx, s.Secret); err == nil {
				err = out.Write(":\n\n")
			}
		case <-due:
			due, sent = nil, time.Now()
			err = s.flush(out)
		case e, ok := <-s.Events:
			if !ok {
				return nil
			}
			var took bool
			took, err = s.take(ctx, e)
			switch {
			case !took || due != nil:
			case s.Delay == 0:
				err = s.flush(out)
			default:
				due = time.After(max(s.Delay, s.Interval-time.Since(sent)))
			}
		}
	}
	return err
}

// take gives the listener an event the client may see.
func (s Stream) take(ctx context.Context, e event.Event) (took bool, err error) {
	e, ok := s.Listener.Select(e)
	if !ok {
		return false, nil
	}
	who, err := s.Rights.Actor(ctx, s.Secret)
	if err != nil {
		return false, err
	}
	v, hears, err := s.Rights.Hear(ctx, who, e)
	if err != nil || !hears {
		return false, err
	}
	return s.Listener.Take(v), nil
}

func (s Stream) flush(out *Writer) error {
	text, err := s.Listener.Flush()
	if err != nil {
		return err
	}
	return out.Write(text)
}
