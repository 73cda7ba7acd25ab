package cloud

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/broker"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/wire"
)

// session is one device's connection as the conductor sees it: it carries what the
// device says from room to room. A BLE device's is carried by its gateway's; the way to
// the device is the only difference.
type session struct {
	conductor *conductor
	device    *handshake.Session
	link      *broker.Link
	chunks    *broker.ChunkStream
	gateway   *session      // that carries it; nil with a connection of its own
	children  *children     // carried by it; nil unless it is a gateway's
	messages  *rate.Limiter // of everything but Hello and Want
	hellos    *rate.Limiter
	wants     *rate.Limiter

	// deciding is held by whoever decides what the device should run: its Hello, or a
	// recheck. It serialises them and what is sent in consequence.
	deciding sync.Mutex

	due atomic.Int64 // when to ask for a new Hello, Unix ns; 0 before the first

	errands errands
}

// deviceLink is a Link bound to one session of one device: what ota writes to.
type deviceLink struct{ *session }

func (l deviceLink) Send(k wire.TopicKind, payload []byte) error {
	if l.carriedNoMore() {
		return errNotCarried
	}
	return l.link.Send(l.topic(k), payload)
}

func (l deviceLink) SendChunks(src wire.ChunkSource, first, count uint32) {
	if !l.carriedNoMore() {
		l.chunks.Send(src, first, count)
	}
}

func (l deviceLink) StopChunks() { l.chunks.Stop() }

func (s *session) id() fleet.DeviceID { return s.device.ID() }

func (s *session) toDevice() deviceLink { return deviceLink{s} }

// topic is the device's topic of kind k, on the connection that carries it.
func (s *session) topic(k wire.TopicKind) wire.Topic {
	if s.gateway != nil {
		return wire.Topic{Speaker: s.gateway.id(), Child: s.id(), Kind: k}
	}
	return wire.Topic{Speaker: s.id(), Kind: k}
}

// Begin implements broker.Session.
func (s *session) Begin() { s.conductor.join(s) }

// Gateway implements broker.Session.
func (s *session) Gateway() bool { return s.device.Kind() == fleet.Gateway }

// Gone implements broker.Session.
func (s *session) Gone() {
	s.endChildren()
	s.device.End()
	s.conductor.leave(s)
}

// Receive implements broker.Session. Bad input is answered or ignored, and counted; an
// error, which ends the connection, is left for what could not be written.
func (s *session) Receive(ctx context.Context, t wire.Topic, payload []byte) error {
	if t.Child != "" {
		return s.carry(ctx, t, payload)
	}
	err := s.receive(ctx, t, payload)
	if errors.Is(err, errEarly) {
		return s.answer(t, payload, wire.ReasonNotNow, ignoredEarly)
	}
	return err
}

var errEarly = fleet.Errorf(fleet.Conflict, "a Report before Hello")

var errLimited = fleet.Errorf(fleet.Busy, "too many messages at once")

// receive takes what the device itself says.
func (s *session) receive(ctx context.Context, t wire.Topic, payload []byte) error {
	switch t.Kind {
	case wire.TopicHello:
		return s.hello(ctx, t, payload)
	case wire.TopicWant:
		return s.want(ctx, t, payload)
	}
	if !s.messages.Allow() {
		return fmt.Errorf("device %s: %w", s.id(), errLimited)
	}
	switch t.Kind {
	case wire.TopicReport:
		return s.report(ctx, t, payload)
	case wire.TopicMessage:
		return s.conductor.keep(ctx, s.device, t, payload)
	case wire.TopicAlert:
		return s.alert(ctx, t, payload)
	case wire.TopicDone:
		err := s.conductor.finish(ctx, s.device, t.Number, payload)
		if errors.Is(err, fleet.NotFound) && !s.device.Ended() { // sending it again would not help
			return s.ignore(t, ignoredTopic)
		}
		return err
	case wire.TopicAttach, wire.TopicDetach:
		return s.attachment(ctx, t, payload)
	}
	return s.ignore(t, ignoredTopic)
}

// hello is the handshake: greet, decide, answer, and start what was decided.
func (s *session) hello(ctx context.Context, t wire.Topic, payload []byte) error {
	if !s.hellos.Allow() {
		return s.ignore(t, ignoredRate)
	}
	h, err := wire.DecodeHello(payload)
	if err != nil {
		return s.refuse(t, err)
	}
	if s.gateway != nil {
		h.Caches = s.gateway.caches() // it is the gateway that does
	}
	s.deciding.Lock()
	defer s.deciding.Unlock()
	defer s.tidy()
	greeting, err := handshake.Greet(ctx, s.conductor.handshake, s.device, h, s.decide(h, ota.AtHello))
	if err != nil {
		return s.unanswered(h, err)
	}
	s.askAt(time.Now().Add(s.conductor.maxAge - tenth(s.conductor.maxAge)))
	s.conductor.greeted(ctx, &greeting.Device, greeting.Ended)
	if greeting.Differs {
		s.conductor.raise(ctx, &greeting.Device, "digest_differs", "it says it runs "+h.Version.String()+" with other bytes than were uploaded")
	}
	if err := s.conductor.ota.Ran(ctx, &greeting.Device, greeting.Catalog); err != nil {
		s.conductor.log.Warn("the first run of a version is not noted", "device", s.id(), "version", h.Version.String(), "err", err)
	}
	if err := s.toDevice().Send(wire.TopicWelcome, greeting.Plan.Welcome(h.Boot).Encode()); err != nil {
		return err
	}
	if err := s.conductor.ota.Start(greeting.Plan, s.toDevice()); err != nil {
		return err
	}
	if greeting.Device.Pending > 0 {
		s.run(errandCommands)
	}
	return nil
}

// recheck decides again for a device that is online and has said Hello, because an
// operator or a free slot gives reason to.
func (s *session) recheck(ctx context.Context, at ota.Occasion) error {
	s.deciding.Lock()
	defer s.deciding.Unlock()
	defer s.tidy()
	h, ok := s.device.Hello()
	if !ok {
		return nil // its Hello decides
	}
	greeting, err := handshake.Reevaluate(ctx, s.conductor.handshake, s.device, s.decide(h, at))
	if err != nil {
		return err
	}
	s.conductor.changedUpdates(ctx, &greeting.Device, greeting.Ended)
	return s.conductor.ota.Start(greeting.Plan, s.toDevice())
}

// decide is the decision of ota, for a handshake to save.
func (s *session) decide(h wire.Hello, at ota.Occasion) handshake.Decision[ota.Plan] {
	return func(d *fleet.Device, c *fleet.Catalog) (ota.Plan, []fleet.Update) {
		plan := s.conductor.ota.Decide(d, c, h, at)
		return plan, plan.Ended
	}
}

// refuse answers a Hello that can't be read.
func (s *session) refuse(t wire.Topic, err error) error {
	var refusal *wire.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	_ = s.toDevice().Send(wire.TopicWelcome, wire.Welcome{
		Time: time.Now(), Why: refusal.Text, Reason: refusal.Reason,
	}.Encode()) // a link that has ended is found out by its reader
	return s.malformed(t, err)
}

// unanswered tells a device whose Hello could not be decided when to try again, and ends
// a session that is not the device's newest.
func (s *session) unanswered(h wire.Hello, err error) error {
	if !errors.Is(err, fleet.Unavailable) && !errors.Is(err, fleet.Busy) {
		return err
	}
	s.conductor.log.Warn("handshake not decided", "device", s.id(), "err", err)
	return s.toDevice().Send(wire.TopicWelcome, wire.Welcome{
		Boot: h.Boot, Time: time.Now(), Reason: wire.ReasonBusy, Again: jitter(busyAgain),
	}.Encode())
}

// want slows down a device that asks more often than chunks could come: its Wants wait
// in its own connection.
func (s *session) want(ctx context.Context, t wire.Topic, payload []byte) error {
	w, err := wire.DecodeWant(payload)
	if err != nil {
		return s.malformed(t, err)
	}
	if err := s.wants.Wait(ctx); err != nil {
		return fleet.Errorf(fleet.Unavailable, "stopping: %w", err)
	}
	if s.fetches(w) {
		return nil
	}
	return s.conductor.ota.Want(s.id(), w, s.toDevice())
}

// report is acknowledged when what it says is durable.
func (s *session) report(ctx context.Context, t wire.Topic, payload []byte) error {
	r, err := wire.DecodeReport(payload)
	if err != nil {
		return s.malformed(t, err)
	}
	if s.device.Generation() == 0 && !s.device.Ended() {
		return errEarly
	}
	news, err := s.conductor.ota.Report(ctx, s.id(), s.device.Generation(), r)
	if err != nil {
		return err
	}
	if news.Changed {
		var past []fleet.Update
		if news.Ended != nil {
			past = append(past, *news.Ended)
			s.askWhenCool(&news.Device)
		}
		s.conductor.changedUpdates(ctx, &news.Device, past)
	}
	if news.Again {
		s.conductor.rechecks.add(s.id(), ota.AtChange)
	}
	return nil
}

// askWhenCool has a device whose update failed asked for the Hello that begins the next
// try, as soon as that may begin: it may stay connected for long.
func (s *session) askWhenCool(d *fleet.Device) {
	if d.Update.State == fleet.Failed && !s.conductor.ota.Exhausted(d) {
		cool := time.Until(d.Attempts.NotBefore)
		s.askAt(d.Attempts.NotBefore.Add(tenth(max(cool, time.Second))))
	}
}

func (s *session) alert(ctx context.Context, t wire.Topic, payload []byte) error {
	a, err := wire.DecodeAlert(payload)
	if err != nil {
		return s.malformed(t, err)
	}
	return s.conductor.alert(ctx, fleet.Alert{
		Team: s.device.Team(), Device: s.id(), Type: a.Type, Text: a.Text, Raised: time.Now(),
	})
}

// ignore counts a message that has no effect; it is acknowledged all the same, for
// sending it again would not help.
func (s *session) ignore(t wire.Topic, why ignored) error {
	s.conductor.ignored[why].Add(1)
	s.conductor.log.Debug("message ignored", "device", s.id(), "topic", t.String(), "reason", why)
	return nil
}

// malformed is ignore for a message that can't be read: the log tells authors of firmware
// what is wrong with it, at its level debug.
func (s *session) malformed(t wire.Topic, err error) error {
	s.conductor.ignored[ignoredMalformed].Add(1)
	s.conductor.log.Debug("message can't be read", "device", s.id(), "topic", t.String(), "err", err)
	return nil
}
