package conform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Case is one behavior of the protocol, aimed at the device.
type Case struct {
	Name    string // "chunk/lost-is-asked-for-again"
	Section string // anchor in docs/protocol.md
	Level   Level
	Slow    bool // takes more than a minute
	run     func(*trial)
}

// Cases lists every case in the order in which Run runs them. The ones that restart the
// device come last.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{helloCases, welcomeCases, downloadCases, chunkCases, stopCases, commandCases, connectionCases, resumeCases, applyCases} {
		all = append(all, group...)
	}
	return all
}

// trial is one run of a case. Its methods end the case by panicking with a failure or a
// skip, which run turns into a Result, so that cases read as a sequence of steps.
type trial struct {
	*Bench
	base  context.Context
	hello wire.Hello // the last one the device sent
	line  *line      // the connection it was sent on
	offer wire.Offer // the last one sent
}

type failure struct{ text string }
type skip struct{ text string }

func (t *trial) failf(format string, args ...any) { panic(failure{fmt.Sprintf(format, args...)}) }
func (t *trial) skipf(format string, args ...any) { panic(skip{fmt.Sprintf(format, args...)}) }

// Run waits for the device and runs the cases; done is called after each. It returns an
// error when the device never connects or ctx ends.
func (b *Bench) Run(ctx context.Context, cases []Case, done func(Result)) (Report, error) {
	var report Report
	for _, c := range cases {
		if b.config.Only != "" && !hasPrefix(c.Name, b.config.Only) {
			continue
		}
		result := Result{Name: c.Name, Section: c.Section, Level: c.Level}
		if c.Slow && !b.config.Slow {
			result.Outcome, result.Detail = Skipped, "takes more than a minute: add --slow"
		} else {
			started := time.Now()
			t := &trial{Bench: b, base: ctx}
			result.Outcome, result.Detail = t.run(c)
			result.Took = time.Since(started)
		}
		if err := ctx.Err(); err != nil {
			return report, err
		}
		report.Results = append(report.Results, result)
		done(result)
		if result.Outcome == Failed && len(report.Results) == 1 && !b.seen() {
			return report, errors.New("the device never connected: it must connect to this address with its id as client id")
		}
	}
	b.mu.Lock()
	report.Device = b.device.String()
	b.mu.Unlock()
	return report, nil
}

func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && name[:len(prefix)] == prefix
}

func (b *Bench) seen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.device != ""
}

func (t *trial) run(c Case) (outcome Outcome, detail string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
			return
		case failure:
			outcome, detail = Failed, r.text
		case skip:
			outcome, detail = Skipped, r.text
		default:
			panic(r)
		}
		t.cleanUp()
	}()
	c.run(t)
	t.cleanUp()
	return Passed, ""
}

// cleanUp ends what the case left behind, so that the next one starts on a quiet line.
func (t *trial) cleanUp() {
	t.letGo()
	t.Bench.mu.Lock()
	t.refuse = 0
	l := t.Bench.line
	t.Bench.mu.Unlock()
	if l != nil && t.offer.Count > 0 {
		_ = l.send(wire.TopicStop, wire.Stop{Image: t.offer.Image(), Reason: wire.ReasonStopped, Update: t.offer.Update}.Encode())
	}
	for quiet := false; !quiet; {
		select {
		case <-t.events:
		case <-time.After(300 * time.Millisecond):
			quiet = true
		case <-t.base.Done():
			quiet = true
		}
	}
}

// within is how long the device may take for what the protocol gives it d for.
func (t *trial) within(d time.Duration) time.Duration {
	return time.Duration(float64(d) * t.config.Patience)
}

// next is the next event until the time has passed.
func (t *trial) next(until time.Time) (event, bool) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case e := <-t.events:
		return e, true
	case <-timer.C:
		return event{}, false
	case <-t.base.Done():
		t.skipf("interrupted")
		return event{}, false
	}
}

// await returns the first event that wanted takes. Others are passed over, but a lost
// connection fails the case unless the case waits for it.
func (t *trial) await(d time.Duration, what string, wanted func(event) bool) event {
	until := time.Now().Add(t.within(d))
	for {
		e, ok := t.next(until)
		if !ok {
			t.failf("timed out after %s: %s", t.within(d), what)
		}
		if wanted(e) {
			return e
		}
		if e.kind == disconnected && e.line == t.line {
			t.failf("the device disconnected: expected %s", what)
		}
	}
}

// never fails when an event that wanted takes arrives within d.
func (t *trial) never(d time.Duration, what string, wanted func(event) bool) {
	until := time.Now().Add(d)
	for {
		e, ok := t.next(until)
		if !ok {
			return
		}
		if wanted(e) {
			t.failf("the device %s", what)
		}
	}
}

func isKind(kind wire.TopicKind) func(event) bool {
	return func(e event) bool { return e.kind == published && e.topic.Kind == kind }
}

// restarted waits for the restart that follows *stored*: *applying*, a new connection, a Hello.
func (t *trial) restarted() {
	t.letGo()
	t.await(30*time.Second, "a Report applying after stored", func(e event) bool {
		if !isKind(wire.TopicReport)(e) {
			return false
		}
		r := t.checkedReport(e)
		return r.State == wire.ReportApplying && r.Image == t.offer.Image()
	})
	t.offer = wire.Offer{}
	t.reconnected()
}

// reconnected waits for a new connection and its Hello.
func (t *trial) reconnected() {
	t.line = nil
	e := t.await(90*time.Second, "a new connection", func(e event) bool { return e.kind == connected })
	t.line = e.line
	t.greeted()
}

// greeted waits for a Hello on the open connection and decodes it.
func (t *trial) greeted() {
	e := t.await(20*time.Second, "a Hello", func(e event) bool { return e.kind == published && e.line == t.line })
	if e.topic.Kind != wire.TopicHello {
		t.failf("the first message on the connection is %s, expected Hello", e.topic)
	}
	t.took(e)
}

func (t *trial) took(e event) {
	hello, err := wire.DecodeHello(e.payload)
	t.Bench.mu.Lock()
	t.left = &e
	t.Bench.mu.Unlock()
	if err != nil {
		t.failf("the Hello is not valid: %v (%x)", err, e.payload)
	}
	t.hello, t.line = hello, e.line
}

// greet begins a case with a Hello that has no answer yet: the one the case before left behind,
// else the device is asked for one, else it connects.
func (t *trial) greet() {
	t.Bench.mu.Lock()
	l, left := t.Bench.line, t.left
	t.left = nil
	t.Bench.mu.Unlock()
	switch {
	case l == nil:
		t.reconnected()
	case left != nil && left.line == l && time.Since(left.at) < 7*time.Second:
		t.took(*left)
	default:
		t.line = l
		t.askForHello()
	}
}

// askForHello sends the Welcome with reason 14 that asks for a Hello on an open connection.
func (t *trial) askForHello() event {
	wait := 15*time.Second + t.helloDebt()
	t.send(wire.TopicWelcome, wire.Welcome{Time: time.Now(), Reason: wire.ReasonNotNow}.Encode())
	e := t.await(wait, "a Hello after a Welcome with reason 14 that answers none", isKind(wire.TopicHello))
	t.took(e)
	return e
}

func (t *trial) send(kind wire.TopicKind, payload []byte) {
	if err := t.line.send(kind, payload); err != nil {
		t.failf("the device's connection ended: %v", err)
	}
}

// welcome answers the last Hello.
func (t *trial) welcome(w wire.Welcome) {
	t.Bench.mu.Lock()
	t.left = nil
	t.Bench.mu.Unlock()
	w.Boot, w.Time = t.hello.Boot, time.Now()
	t.send(wire.TopicWelcome, w.Encode())
}

// chunkSize is the unit the server would send in.
func (t *trial) chunkSize() uint32 { return wire.ChunkSize(t.hello.Chunk) }

// offered sends a Welcome and an Offer of m from chunk first on, and pushes the first window.
func (t *trial) offered(m image, chunk, first uint32) {
	t.welcome(wire.Welcome{Target: m.version})
	t.offerAgain(fleet.NewUpdateID(), m, chunk, first)
}

// offerAgain sends an Offer of an update.
func (t *trial) offerAgain(id fleet.UpdateID, m image, chunk, first uint32) {
	t.offer = wire.Offer{Update: id, Version: m.version, Size: int64(len(m.data)), Digest: m.digest, Chunk: chunk, Count: m.count(chunk), First: first}
	t.send(wire.TopicOffer, t.offer.Encode())
	t.push(m, first, t.hello.Window)
}

// push sends chunks, as many as there are.
func (t *trial) push(m image, first, count uint32) {
	for i := first; i < min(first+count, t.offer.Count); i++ {
		t.send(wire.TopicChunk, m.chunk(i, t.offer.Chunk))
	}
}

// takesUpdates skips the case when the device says "not now".
func (t *trial) takesUpdates() {
	t.greet()
	if !t.hello.UpdatesOn {
		t.welcome(wire.Welcome{})
		t.skipf("the device takes no updates now (Hello key 8)")
	}
}
