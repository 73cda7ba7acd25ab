package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-iot/muster/activity"
	"github.com/muster-iot/muster/broker"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/handshake"
	"github.com/muster-iot/muster/ota"
	"github.com/muster-iot/muster/quota"
	"github.com/muster-iot/muster/wire"
)

// session is one device's connection: it passes the device's messages to handshake, ota and
// the store. A BLE device's session uses its gateway's connection; the topics it sends on are
// the only difference. It implements broker.Session.
type session struct {
	sessions *Sessions
	device   *handshake.Session
	link     *broker.Link
	chunks   *broker.ChunkStream
	gateway  *session  // of a BLE device; nil for a device with its own connection
	children *children // of a gateway; nil otherwise
	wants    *rate.Limiter
	place    *quota.Place // of a device with its own connection
	address  string       // IP the connection comes from

	suspect atomic.Bool // another server may have it: it must be looked at

	began time.Time    // when it began; zero where CONNACK refused the connection
	heard atomic.Int64 // of a BLE device: when its last message came, Unix ns
	noted atomic.Int64 // when the device was last heard, by its record, Unix ns
	sent  uint32       // number of the last command that was sent since the last Hello; owned by the tasks

	// deciding serialises the evaluations of the device, at a Hello or at a recheck, and
	// what is sent in consequence.
	deciding sync.Mutex

	due atomic.Pointer[time.Time] // when to ask for a new Hello, by elapsed time; nil before the first Hello

	tasks tasks
}

// ID implements broker.Session.
func (s *session) ID() fleet.DeviceID { return s.device.ID() }

func (s *session) toDevice() deviceLink { return deviceLink{s} }

// topic is the device's topic of kind k, on the connection that it uses.
func (s *session) topic(k wire.TopicKind) wire.Topic {
	if s.gateway != nil {
		return wire.Topic{Speaker: s.gateway.ID(), Child: s.ID(), Kind: k}
	}
	return wire.Topic{Speaker: s.ID(), Kind: k}
}

// Begin implements broker.Session.
func (s *session) Begin() { s.sessions.join(s) }

// Gateway implements broker.Session.
func (s *session) Gateway() bool { return s.device.Kind() == fleet.Gateway }

// Gone implements broker.Session.
func (s *session) Gone(code byte) {
	s.endChildren()
	s.depart(code)
	s.noteLeft()
	s.device.End()
	s.place.Leave()
	s.sessions.leave(s)
}

// Receive implements broker.Session. Bad input is answered or ignored, and counted. An error
// ends the connection: something that has to be durable could not be written.
func (s *session) Receive(ctx context.Context, t wire.Topic, payload []byte) error {
	if t.Child != "" {
		return s.receiveFor(ctx, t, payload)
	}
	err := s.unlessMoved(ctx, s.receive(ctx, t, payload))
	if errors.Is(err, errEarly) {
		return s.stop(t, payload, wire.ReasonNotNow, ignoredEarly)
	}
	return err
}

var errEarly = fleet.Errorf(fleet.Conflict, "a Report before Hello")

// receive handles a message of the session's own device.
func (s *session) receive(ctx context.Context, t wire.Topic, payload []byte) error {
	if s.gateway != nil {
		s.heard.Store(time.Now().UnixNano())
	}
	switch t.Kind {
	case wire.TopicHello:
		return s.hello(ctx, t, payload)
	case wire.TopicWant:
		return s.want(ctx, t, payload)
	}
	if !s.sessions.limits.messages.Take(s.ID()) {
		return fmt.Errorf("device %s: %w", s.ID(), errLimited)
	}
	s.sessions.limits.recent.Count(s.device.Team())
	if teams := s.sessions.limits.teams; teams != nil {
		if err := wait(ctx, teams, s.device.Team()); err != nil {
			return err
		}
	}
	switch t.Kind {
	case wire.TopicReport:
		return s.report(ctx, t, payload)
	case wire.TopicMessage:
		return s.sessions.activity.Message(ctx, fleet.Message{
			Team: s.device.Team(), Device: s.ID(), Topic: t.String(), Payload: payload, Received: time.Now(),
		})
	case wire.TopicAlert:
		return s.alert(ctx, t, payload)
	case wire.TopicDone:
		err := s.sessions.activity.CommandDone(ctx, s.device.Team(), s.ID(), t.Number, payload)
		if errors.Is(err, fleet.NotFound) && !s.device.Ended() { // a repetition would not help
			return s.ignore(t, ignoredTopic)
		}
		return err
	case wire.TopicAttach, wire.TopicDetach:
		return s.attachment(ctx, t, payload)
	}
	return s.ignore(t, ignoredTopic)
}

// hello is the handshake: it evaluates what the device should run, answers, and starts the
// update where there is one.
func (s *session) hello(ctx context.Context, t wire.Topic, payload []byte) error {
	if !s.sessions.limits.hellos.Take(s.ID()) {
		if !s.sessions.limits.messages.Take(s.ID()) {
			return fmt.Errorf("device %s: %w", s.ID(), errLimited)
		}
		return s.ignore(t, ignoredRate)
	}
	h, err := wire.DecodeHello(payload)
	if err != nil {
		return s.rejectHello(t, err)
	}
	if s.gateway != nil {
		h.Caches = s.gateway.caches() // the cache is the gateway's
	}
	s.deciding.Lock()
	defer s.deciding.Unlock()
	defer s.stopIfDetached()
	missed := s.sessions.upkeep.take(s.ID())
	greeting, err := handshake.Greet(ctx, s.sessions.handshake, s.device, h, s.loggedBy(missed, s.decide(h, ota.AtHello)))
	if err != nil {
		s.sessions.upkeep.restore(s.ID(), missed)
		return s.postpone(h, err)
	}
	now := time.Now()
	s.noted.Store(now.UnixNano())
	s.askAt(now.Add(s.sessions.maxAge - tenth(s.sessions.maxAge)))
	s.sessions.activity.Handshake(ctx, greeting.Device, greeting.Ended)
	if greeting.Differs {
		s.sessions.activity.Raise(ctx, greeting.Device, "digest_differs", "it reports version "+h.Version.String()+" with other bytes than were uploaded")
	}
	if greeting.Misnamed {
		s.sessions.activity.Raise(ctx, greeting.Device, "label_mismatch",
			"it runs the image of version "+greeting.Device.Running.String()+", by its digest, and calls it "+h.Version.String()+": it needs no update to "+greeting.Device.Running.String())
	}
	s.noWay(ctx, &greeting)
	if err := s.sessions.ota.Ran(ctx, greeting.Device, greeting.Catalog); err != nil {
		s.sessions.log.Log(ctx, activity.LevelOf(err), "the first run of a version is not recorded", "device", s.ID(), "version", h.Version.String(), "err", err)
	}
	if err := s.toDevice().Send(wire.TopicWelcome, greeting.Plan.Welcome(h.Boot).Encode()); err != nil {
		return err
	}
	if err := s.sessions.ota.Start(greeting.Plan, s.toDevice()); err != nil {
		return err
	}
	if greeting.Device.Pending > 0 {
		s.run(taskResend)
	}
	return nil
}

// reevaluate evaluates again what a device that has sent Hello should run, after a change by
// an operator or because a slot is free.
func (s *session) reevaluate(ctx context.Context, at ota.Occasion) error {
	s.deciding.Lock()
	defer s.deciding.Unlock()
	defer s.stopIfDetached()
	h, ok := s.device.Hello()
	if !ok {
		return nil // its Hello will do that
	}
	greeting, err := handshake.Reevaluate(ctx, s.sessions.handshake, s.device, s.decide(h, at))
	if err != nil {
		return err
	}
	s.sessions.activity.Updates(ctx, greeting.Device, greeting.Ended)
	s.noWay(ctx, &greeting)
	return s.sessions.ota.Start(greeting.Plan, s.toDevice())
}

// decide returns the decision of ota, for a handshake to save.
func (s *session) decide(h wire.Hello, at ota.Occasion) handshake.Decision[ota.Plan] {
	return func(d *fleet.Device, c *fleet.Catalog) (ota.Plan, []fleet.Update) {
		plan := s.sessions.ota.Decide(d, c, h, at)
		return plan, plan.Ended
	}
}

// rejectHello answers a Hello that can't be read with the reason.
func (s *session) rejectHello(t wire.Topic, err error) error {
	var refusal *wire.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	_ = s.toDevice().Send(wire.TopicWelcome, wire.Welcome{
		Time: time.Now(), Why: refusal.Text, Reason: refusal.Reason,
	}.Encode()) // the reader notices a link that has ended
	return s.malformed(t, err)
}

// postpone answers a Hello that can't be evaluated now, or is of an earlier boot, with the time
// to try again. It returns err, which ends the connection, when the session is not the device's newest.
func (s *session) postpone(h wire.Hello, err error) error {
	if errors.Is(err, handshake.ErrEarlierBoot) {
		s.sessions.log.Debug("Hello of an earlier boot ignored", "device", s.ID(), "boot", h.Boot)
		return s.toDevice().Send(wire.TopicWelcome, wire.Welcome{
			Boot: h.Boot, Time: time.Now(), Reason: wire.ReasonNotNow, Why: err.Error(), Again: handshake.EarlierAgain,
		}.Encode())
	}
	if !errors.Is(err, fleet.Unavailable) && !errors.Is(err, fleet.Busy) {
		return err
	}
	s.sessions.log.Log(context.Background(), activity.LevelOf(err), "handshake postponed", "device", s.ID(), "err", err)
	return s.toDevice().Send(wire.TopicWelcome, wire.Welcome{
		Boot: h.Boot, Time: time.Now(), Reason: wire.ReasonBusy, Again: jitter(busyAgain),
	}.Encode())
}

// busyAgain is about how long a device waits when its Hello was postponed.
const busyAgain = 10 * time.Second

// want slows down a device that asks more often than chunks could arrive: its Wants wait in
// its own connection.
func (s *session) want(ctx context.Context, t wire.Topic, payload []byte) error {
	if err := s.wants.Wait(ctx); err != nil {
		return fleet.Errorf(fleet.Unavailable, "stopping: %w", err)
	}
	w, err := wire.DecodeWant(payload)
	if err != nil {
		return s.malformed(t, err)
	}
	if s.fetchForChildren(w) {
		return nil
	}
	return s.sessions.ota.Want(s.ID(), w, s.toDevice())
}

// report is acknowledged once its content is durable.
func (s *session) report(ctx context.Context, t wire.Topic, payload []byte) error {
	r, err := wire.DecodeReport(payload)
	if err != nil {
		return s.malformed(t, err)
	}
	if s.device.Generation() == 0 && !s.device.Ended() {
		return errEarly
	}
	news, err := s.sessions.ota.Report(ctx, s.ID(), s.device.Generation(), r)
	if err != nil {
		return err
	}
	if news.Changed {
		var ended []fleet.Update
		if news.Ended != nil {
			ended = append(ended, *news.Ended)
			s.askWhenCool(&news.Device)
		}
		s.sessions.activity.Updates(ctx, &news.Device, ended)
	}
	if news.Again {
		s.sessions.rechecks.add(s.ID(), ota.AtChange)
	}
	return nil
}

func (s *session) alert(ctx context.Context, t wire.Topic, payload []byte) error {
	a, err := wire.DecodeAlert(payload)
	if err != nil {
		return s.malformed(t, err)
	}
	return s.sessions.activity.Alert(ctx, fleet.Alert{
		Team: s.device.Team(), Device: s.ID(), Type: a.Type, Text: a.Text, Value: wire.JSON(a.Value), Raised: time.Now(),
	})
}
