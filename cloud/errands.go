package cloud

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/wire"
)

// errand is something to be done for a session that its reader did not ask for, or has
// no time to wait for. They add up: a set of bits.
type errand uint8

const (
	errandDecide   errand = 1 << iota // decide again what it should run: something changed
	errandSlot                        // the same, because a slot is free
	errandCommands                    // send the commands that wait
	errandHello                       // ask for a new Hello
)

// errands are a session's open ones. They run on one goroutine per session, which lives
// while there are any: a device that takes no bytes makes its own errands wait, not its
// reader, which has PINGREQs to answer, and nobody else's.
type errands struct {
	mu   sync.Mutex
	open errand        // guarded by mu
	done chan struct{} // closed when none is open any more; nil while none is; guarded by mu
}

// run adds e to what is open for s, and returns what is closed once nothing is. It
// never blocks.
func (s *session) run(e errand) (done <-chan struct{}) {
	s.errands.mu.Lock()
	defer s.errands.mu.Unlock()
	s.errands.open |= e
	if s.errands.done == nil {
		s.errands.done = make(chan struct{})
		s.conductor.runners.Go(s.runErrands)
	}
	return s.errands.done
}

func (s *session) runErrands() {
	for e := s.nextErrands(); e != 0; e = s.nextErrands() {
		s.runEach(s.conductor.base, e)
	}
}

// nextErrands takes all that are open; 0 when none is, and then the goroutine has to end.
func (s *session) nextErrands() errand {
	s.errands.mu.Lock()
	defer s.errands.mu.Unlock()
	e := s.errands.open
	s.errands.open = 0
	if e == 0 {
		close(s.errands.done)
		s.errands.done = nil
	}
	return e
}

func (s *session) runEach(ctx context.Context, e errand) {
	switch {
	case e&errandSlot != 0:
		s.decideAgain(ctx, ota.AtSlot)
	case e&errandDecide != 0:
		s.decideAgain(ctx, ota.AtChange)
	}
	if e&errandCommands != 0 {
		if err := s.deliver(ctx); err != nil {
			s.conductor.log.Warn("commands not sent", "device", s.id(), "err", err)
		}
	}
	if e&errandHello != 0 {
		_ = s.toDevice().Send(wire.TopicWelcome, wire.Welcome{Time: time.Now(), Reason: wire.ReasonNotNow}.Encode()) // a link that has ended needs none
	}
}

func (s *session) decideAgain(ctx context.Context, at ota.Occasion) {
	err := s.recheck(ctx, at)
	if err == nil {
		return
	}
	if !errors.Is(err, fleet.Conflict) && ctx.Err() == nil { // a session that is over is no news
		s.conductor.log.Warn("device not decided again", "device", s.id(), "err", err)
	}
	if s.gateway == nil {
		s.link.Close(fleet.Unavailable) // its next Hello decides
	} else if !s.device.Ended() {
		s.run(errandHello) // the connection is shared
	}
}

// deliver sends the commands that wait for the device. Each is sent again after every
// Hello until it is done or expired.
func (s *session) deliver(ctx context.Context) error {
	commands, err := s.conductor.messages.Pending(ctx, s.id())
	if err != nil {
		return err
	}
	for _, command := range commands {
		t := s.topic(wire.TopicCommand)
		t.Number, t.Name = command.Number, command.Name
		if err := s.link.Send(t, command.Payload); err != nil {
			return nil //nolint:nilerr // the link has ended: the next Hello delivers
		}
	}
	return nil
}
