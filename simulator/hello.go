package simulator

import (
	"time"

	"github.com/muster-iot/muster/wire"
)

const maxHelloWait = 5 * time.Minute

// sendHello reports what runs and what is kept. Without an answer in helloWait it does so
// again.
func (m *model) sendHello(now time.Time) {
	h := wire.NewHello(m.running)
	h.Product, h.Hardware, h.MaxImage = m.profile.Product, m.hardware, m.profile.MaxImage
	h.Chunk, h.Window = m.profile.chunk(), m.profile.window()
	h.Digest, h.Boot, h.UpdatesOn, h.Last = m.digest, m.boot, m.takes, m.last
	h.Partial, h.Caches = m.kept.partial(), m.caches
	m.emit(send{kind: wire.TopicHello, payload: h.Encode()})
	m.helloPace.spend(now)
	m.greeted, m.hello = false, false
	m.helloAt, m.rehelloAt = now.Add(m.helloWait), time.Time{}
	m.helloWait = min(2*m.helloWait, maxHelloWait)
}

func (m *model) emit(s send) { m.out = append(m.out, s) }

func (m *model) welcome(now time.Time, payload []byte) {
	w, err := wire.DecodeWelcome(payload)
	switch {
	case err != nil:
		m.stats.Malformed++
		return
	case w.Boot != 0 && w.Boot != m.boot: // answers a Hello of an earlier boot
		m.stats.Strays++
		return
	case m.greeted && w.Reason == wire.ReasonNotNow: // asks for a new Hello
		m.askedForHello(now)
		return
	case m.greeted: // said again
		m.target = w.Target
		return
	}
	m.stats.Handshakes++
	m.greet(now)
	m.target, m.last = w.Target, nil
	if w.Again > 0 {
		m.rehelloAt = now.Add(w.Again)
	}
}

// greet ends the wait for Welcome.
func (m *model) greet(now time.Time) {
	m.greeted, m.helloAt, m.helloWait = true, time.Time{}, wire.WelcomeTimeout
	if m.profile.Rehello > 0 {
		m.rehelloAt = now.Add(jitter(m.profile.Rehello))
	}
}

// askedForHello sends Hello again, within the protocol's rate, and not while chunks are
// under way, since those would be sent twice. One that waits for its Welcome is enough.
func (m *model) askedForHello(now time.Time) {
	if !m.greeted {
		return
	}
	if wait := m.helloPace.wait(now); wait > 0 {
		m.rehelloAt = now.Add(wait)
		return
	}
	switch {
	case m.state == Applying: // the next boot sends it
	case m.state == Downloading && m.update.asked > m.next():
		m.hello = true
	default:
		m.sendHello(now)
	}
}

// pace keeps Hellos below wire.HelloBurst, then one per wire.HelloInterval.
type pace struct {
	spent float64 // of the burst
	at    time.Time
}

// wait is how long the next Hello has to wait.
func (p *pace) wait(now time.Time) time.Duration {
	p.refill(now)
	const burst = wire.HelloBurst - 1 // one in reserve for the next connection's
	return max(time.Duration((p.spent+1-burst)*float64(wire.HelloInterval)), 0)
}

func (p *pace) spend(now time.Time) {
	p.refill(now)
	p.spent++
}

func (p *pace) refill(now time.Time) {
	p.spent = max(p.spent-now.Sub(p.at).Seconds()/wire.HelloInterval.Seconds(), 0)
	p.at = now
}

// enable takes updates from now on.
func (m *model) enable() {
	m.takes = true
	m.emit(send{kind: wire.TopicReport, qos: 1, payload: wire.Report{State: wire.ReportUpdatesEnabled}.Encode()})
}
