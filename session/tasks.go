package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/wire"
)

// task is work for a session that its reader did not ask for, or must not wait for. Tasks
// add up to a set of bits.
type task uint8

const (
	taskReevaluate task = 1 << iota // re-evaluate what the device should run: something changed
	taskSlot                        // the same, because a slot is free
	taskCommands                    // send the commands that were not sent since the last Hello
	taskResend                      // send all pending commands
	taskAskHello                    // ask for a new Hello
	taskLook                        // compare with the record, which another server may have changed
)

// tasks are the pending ones of a session. One goroutine per session runs them and lives
// while there are any: a device that takes no bytes delays its own tasks, but neither its
// reader, which has to answer PINGREQs, nor other devices.
type tasks struct {
	mu      sync.Mutex
	pending task          // guarded by mu
	done    chan struct{} // closed when none is pending any more; nil while none is; guarded by mu
}

// run adds t to the pending tasks of s and returns a channel that is closed when all are
// done. It never blocks.
func (s *session) run(t task) (done <-chan struct{}) {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	s.tasks.pending |= t
	if s.tasks.done == nil {
		s.tasks.done = make(chan struct{})
		s.sessions.workers.Go(s.runTasks)
	}
	return s.tasks.done
}

func (s *session) runTasks() {
	for t := s.nextTasks(); t != 0; t = s.nextTasks() {
		s.runEach(s.sessions.base, t)
	}
}

// nextTasks takes all pending tasks. It returns 0 when there are none; the caller has to
// return then.
func (s *session) nextTasks() task {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	t := s.tasks.pending
	s.tasks.pending = 0
	if t == 0 {
		close(s.tasks.done)
		s.tasks.done = nil
	}
	return t
}

func (s *session) runEach(ctx context.Context, t task) {
	if t&taskLook != 0 {
		if !s.look(ctx) {
			return
		}
	}
	switch {
	case t&taskSlot != 0:
		s.reevaluateOrEnd(ctx, ota.AtSlot)
	case t&taskReevaluate != 0:
		s.reevaluateOrEnd(ctx, ota.AtChange)
	}
	if t&taskResend != 0 {
		s.sent = 0
	}
	if t&(taskCommands|taskResend) != 0 {
		err := s.sendCommands(ctx)
		if err != nil {
			s.sessions.log.Debug("commands not sent, trying again", "device", s.ID(), "err", err)
		}
		s.sessions.upkeep.setUnsent(s.ID(), err != nil)
	}
	if t&taskAskHello != 0 {
		_ = s.toDevice().Send(wire.TopicWelcome, wire.Welcome{Time: time.Now(), Reason: wire.ReasonNotNow}.Encode()) // pointless on a link that has ended
	}
}

// reevaluateOrEnd re-evaluates the device. If that fails, the device has to send a new
// Hello: over a new connection, or when asked to, where the connection is shared.
func (s *session) reevaluateOrEnd(ctx context.Context, at ota.Occasion) {
	err := s.reevaluate(ctx, at)
	if err == nil {
		return
	}
	if !errors.Is(err, fleet.Conflict) && ctx.Err() == nil { // a session that has ended is not worth a line
		s.sessions.log.Log(ctx, activity.LevelOf(err), "device not re-evaluated", "device", s.ID(), "err", err)
	}
	if s.gateway == nil {
		s.link.Close(fleet.Unavailable)
	} else if !s.device.Ended() {
		s.run(taskAskHello)
	}
}

// sendCommands sends the device its pending commands that were not sent since the last Hello, in
// order. Each is sent again after every Hello until it is done or expired.
func (s *session) sendCommands(ctx context.Context) error {
	commands, err := s.sessions.messages.Pending(ctx, s.ID())
	if err != nil {
		return err
	}
	for _, command := range commands {
		if command.Number <= s.sent {
			continue
		}
		t := s.topic(wire.TopicCommand)
		t.Number, t.Name = command.Number, command.Name
		if err := s.link.Send(t, command.Payload); err != nil {
			return nil //nolint:nilerr // the link has ended: they are sent after the next Hello
		}
		s.sent = command.Number
	}
	return nil
}
