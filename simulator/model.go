package simulator

import (
	"math/rand/v2"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// Profile is what the devices of a fleet have in common. It is shared and never modified.
type Profile struct {
	Product   string        // slug in Hello; "": left out
	Hardware  string        // revision in Hello, where a Credential has none; "": left out
	Chunk     uint32        // bytes; 0: the protocol's default
	Window    uint32        // chunks pushed before the device asks; NoWindow: none; 0: default
	MaxImage  uint64        // bytes it can store; 0: left out, no limit
	ApplyTime time.Duration // from *stored* to *applying*
	Rehello   time.Duration // sends Hello this often (±10 %), not while an update runs; 0: never
	Messages  time.Duration // sends a device message this often; 0: never
	Keep      bool          // keeps the bytes of the image that runs, for Running
}

// NoWindow as Profile.Window sends 0 in Hello: no chunk comes before the first Want.
const NoWindow = ^uint32(0)

func (p *Profile) chunk() uint32 {
	if p.Chunk == 0 {
		return wire.DefaultChunk
	}
	return p.Chunk
}

// window is the window in Hello: chunks pushed without a Want.
func (p *Profile) window() uint32 {
	switch p.Window {
	case NoWindow:
		return 0
	case 0:
		return min(wire.DefaultWindow, wire.MaxInFlight/p.chunk())
	}
	return p.Window
}

// State is what a device is doing.
type State uint8

// The states.
const (
	Idle        State = iota
	Downloading       // takes chunks, until the image is checked
	Stored            // holds a checked image
	Applying          // is about to restart into it
)

func (s State) String() string { return [...]string{"idle", "downloading", "stored", "applying"}[s] }

// Stats counts what one device did and met.
type Stats struct {
	Connects   int   `json:"connects"`   // accepted connections
	Handshakes int   `json:"handshakes"` // Welcomes that answered a Hello
	Boots      int   `json:"boots"`      // starts, the first included
	Chunks     int   `json:"chunks"`     // taken
	Bytes      int64 `json:"bytes"`      // of image data taken
	Duplicates int   `json:"duplicates"` // chunks the device already held: the cloud must send none
	Gaps       int   `json:"gaps"`       // chunks that came before an earlier one
	Strays     int   `json:"strays"`     // messages that fit nothing: another image's chunk, a late Stop
	Malformed  int   `json:"malformed"`  // messages that could not be read
	Wants      int   `json:"wants"`
	Repeats    int   `json:"repeats"`   // Wants and Hellos repeated after a silence
	Stops      int   `json:"stops"`     // updates ended by a Stop
	Updates    int   `json:"updates"`   // Offers that began an update
	Confirmed  int   `json:"confirmed"` // updates whose version was booted
	RolledBack int   `json:"rolledBack"`
	Failed     int   `json:"failed"`
	Commands   int   `json:"commands"` // carried out
	Repeated   int   `json:"repeated"` // commands that came again
	Messages   int   `json:"messages"` // sent
}

// model is one device: the protocol's client side as a state machine. It neither blocks
// nor reads a clock; its driver passes in what happened and when, then sends what is
// in out and carries out do. It is not safe for concurrent use.
type model struct {
	profile *Profile
	faults  *Faults
	seed    uint64
	self    wire.Topic // Speaker, and Child for a device behind a gateway
	nature  nature
	caches  bool // a gateway that caches images

	hardware string // revision in Hello; "": left out

	// What survives a loss of power.
	running fleet.Version
	digest  fleet.Digest // of what runs; zero until an image was received
	image   []byte       // what runs, with Profile.Keep
	kept    kept         // a download, complete or not
	staged  *staged      // what the next boot starts
	plan    plan         // of the update begun last
	last    *wire.Outcome
	command uint32   // highest number carried out
	results []result // of the commands executed last
	takes   bool     // updates are enabled
	tried   []fleet.Version

	// What does not.
	boot      uint64
	state     State
	update    *update
	greeted   bool // a Welcome answered the last Hello
	hello     bool // send Hello once all requested chunks are here
	helloPace pace
	helloWait time.Duration
	applyID   uint16 // packet id of *applying*
	failedID  uint16 // packet id of *failed*

	// When tick has something to do; zero for never.
	helloAt, rehelloAt, wantAt, paceAt, stepAt, messageAt, enableAt time.Time

	out    []send
	do     action
	stats  Stats
	target fleet.Version // of the last Welcome
	ended  string        // how the last update ended, for people
}

// send is a message to publish.
type send struct {
	kind    wire.TopicKind
	number  uint32 // of a command's result
	name    string // of a message
	qos     byte
	answer  answer
	payload []byte
}

// answer is what the acknowledgement of a send means to the model.
type answer uint8

const (
	toNothing  answer = iota
	toApplying        // the device may restart
	toFailed          // the failure need not be reported again in Hello
)

// action is what a model asks of its connection.
type action uint8

const (
	stay    action = iota
	restart        // disconnect properly, boot, connect
	cut            // the power is gone: no DISCONNECT, boot, connect
	drop           // the connection is gone: no DISCONNECT, connect
)

// newModel is a device that runs running and was never connected.
func newModel(p *Profile, f *Faults, seed uint64, self wire.Topic, running fleet.Version) *model {
	m := &model{profile: p, faults: f, seed: seed, self: self, running: running, hardware: p.Hardware}
	m.nature = f.nature(seed, self.Device())
	m.takes = !m.nature.notNow
	m.start()
	return m
}

// start boots: RAM is empty, and what was staged runs unless a fault rolls it back.
func (m *model) start() {
	m.stats.Boots++
	m.boot = rand.Uint64()>>1 | 1 //nolint:gosec // no secret; differs from any other boot's, also of an earlier run
	m.state, m.update, m.do, m.out = Idle, nil, stay, nil
	m.install()
}

// connected begins the handshake; nothing else is sent before Welcome.
func (m *model) connected(now time.Time) {
	m.stats.Connects++
	m.out, m.do = m.out[:0], stay
	m.helloWait = wire.WelcomeTimeout
	m.sendHello(now)
	if m.profile.Messages > 0 {
		m.messageAt = now.Add(jitter(m.profile.Messages))
	}
	if m.nature.notNow && !m.takes && m.enableAt.IsZero() && m.faults.NotNowFor > 0 {
		m.enableAt = now.Add(m.faults.NotNowFor)
	}
}

// disconnected ends what the connection carried, whoever ended it. What is kept continues at
// the next Hello. It boots where the model asked for that, and after *applying*, which
// then has no answer to wait for.
func (m *model) disconnected() {
	if m.do == restart || m.do == cut || m.state == Applying {
		m.start()
	}
	m.state, m.update, m.out, m.do = Idle, nil, nil, stay
	m.greeted, m.hello = false, false
	m.applyID, m.failedID = 0, 0
	m.helloAt, m.rehelloAt, m.wantAt, m.paceAt, m.stepAt, m.messageAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
}

// receive takes a message of the cloud. It keeps nothing of payload.
func (m *model) receive(now time.Time, kind wire.TopicKind, number uint32, payload []byte) {
	switch kind {
	case wire.TopicChunk:
		m.chunk(now, payload)
	case wire.TopicWelcome:
		m.welcome(now, payload)
	case wire.TopicOffer:
		m.offer(now, payload)
	case wire.TopicStop:
		m.stop(now, payload)
	case wire.TopicCommand:
		m.carryOut(number, payload)
	default:
		m.stats.Strays++
	}
}

// published notes the packet id that s was sent with.
func (m *model) published(s send, id uint16) {
	switch s.answer {
	case toApplying:
		m.applyID = id
	case toFailed:
		m.failedID = id
	}
}

// acked notes that the message with that packet id was written durably.
func (m *model) acked(now time.Time, id uint16) {
	switch {
	case id == m.applyID && m.state == Applying:
		m.do = restart
	case id == m.failedID:
		m.last = nil
	}
}

// deadline is when tick has something to do, zero for never.
func (m *model) deadline() time.Time {
	next := m.helloAt
	for _, t := range [...]time.Time{m.rehelloAt, m.wantAt, m.paceAt, m.stepAt, m.messageAt, m.enableAt} {
		next = earlier(next, t)
	}
	return next
}

// tick does what is due at now.
func (m *model) tick(now time.Time) {
	if due(&m.helloAt, now) {
		m.hello = false
		m.stats.Repeats++
		m.sendHello(now)
	}
	if due(&m.rehelloAt, now) {
		m.askedForHello(now)
	}
	if due(&m.enableAt, now) {
		m.enable()
	}
	if due(&m.messageAt, now) {
		m.sayMessage(now)
	}
	if due(&m.stepAt, now) {
		m.step(now)
	}
	if due(&m.paceAt, now) && m.state == Downloading {
		m.ask(now)
	}
	if due(&m.wantAt, now) && m.state == Downloading {
		m.askAgain(now)
	}
}

// overdue is a time that has come: what waits for it is due at once.
var overdue = time.Unix(0, 1)

// due reports whether *at has come, and clears it.
func due(at *time.Time, now time.Time) bool {
	if at.IsZero() || now.Before(*at) {
		return false
	}
	*at = time.Time{}
	return true
}

// jitter is d give or take a tenth, so that a fleet does not act as one.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Int64N(int64(d)/5+1)) //nolint:gosec // no secret
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
