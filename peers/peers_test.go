//nolint:forbidigo // all sleeps are in synctest bubbles
package peers

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/event"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redisserver"
	"github.com/muster-iot/muster/store/relay"
)

// server is one of several, in a bubble of synctest.
type server struct {
	*Peers

	mu        sync.Mutex
	heard     []string                 // guarded by mu
	downloads map[fleet.DeviceID]int64 // of team 1; guarded by mu
	asked     int                      // for downloads; guarded by mu
	judged    []fleet.ProductID        // guarded by mu
}

func run(t *testing.T, test func(t *testing.T, a, b *server)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		redis := redisserver.NewMemory()
		defer redis.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		a, b := start(ctx, t, redis.Dial, &running), start(ctx, t, redis.Dial, &running)
		time.Sleep(5 * time.Second) // they know each other
		test(t, a, b)
	})
}

func start(ctx context.Context, t *testing.T, dial func(context.Context, string, string) (net.Conn, error), running *sync.WaitGroup) *server {
	log := slog.New(slog.DiscardHandler)
	target, err := pipeline.Parse("redis://memory:1")
	if err != nil {
		t.Fatal(err)
	}
	target.Server.Dialer = dial
	p := pipeline.New(target, log, nil, pipeline.Guard{})
	nodes := node.New(node.Config{Role: "all", Log: log, At: p.Master, Changed: func(string, bool) {}})
	s := &server{}
	s.Peers = New(Config{
		Relay: relay.New(p.Master, nodes), Log: log,
		Hear: func(e event.Event) { s.note("%s of team %d", e.Name(), e.Team) },
		Ended: func(team fleet.TeamID, product fleet.ProductID, state fleet.UpdateState) {
			s.note("%s, team %d, product %d", state, team, product)
		},
		Greeted: func(product fleet.ProductID, device fleet.DeviceID, confirmed bool) {
			s.note("handshake of %s, product %d, %t", device.WithTeam(), product, confirmed)
		},
		Alerted: func(device fleet.DeviceID) { s.note("alert of %s", device.WithTeam()) },
		SignInFailed: func(address, email, browser string) {
			s.note("failed sign-in of %s, %q, at %s", email, browser, address)
		},
		Judged: func() []fleet.ProductID {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.judged
		},
		Downloads: func(team fleet.TeamID) map[fleet.DeviceID]int64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.asked++
			if team == 1 {
				return maps.Clone(s.downloads)
			}
			return nil
		},
	})
	if err := nodes.Join(ctx); err != nil {
		t.Fatal(err)
	}
	running.Go(func() { nodes.Run(ctx) })
	running.Go(func() {
		s.Run(ctx)
		p.Close()
	})
	return s
}

func (s *server) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, fmt.Sprintf(format, args...))
}

// sort sorts what was heard, or forgets it.
func (s *server) sort(forget bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Sort(s.heard); forget {
		s.heard = nil
	}
}

// looks is how often the downloads were asked for since the last call.
func (s *server) looks() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, s.asked = s.asked, 0
	return n
}

// want checks all that a server has heard since the last call.
func (s *server) want(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.heard, want) {
		t.Errorf("heard %q, want %q", s.heard, want)
	}
	s.heard = nil
}

const settled = 3 * time.Second

func TestEventsOfATeamAreHeardWhereSomebodyListens(t *testing.T) {
	run(t, func(t *testing.T, a, b *server) {
		publish := func() {
			b.Publish(event.Event{Payload: event.HandshakeDone{}, Team: 1})
			b.Publish(event.Event{Payload: event.GroupChanged{}, Team: 2})
			time.Sleep(time.Second)
		}
		publish()
		a.want(t)
		left, leftToo := a.Listen(1), a.Listen(1)
		time.Sleep(settled)
		a.sort(true)
		publish()
		a.want(t, "muster/handshake of team 1")
		left()
		time.Sleep(2 * linger)
		publish()
		a.want(t, "muster/handshake of team 1")
		leftToo()
		time.Sleep(2 * linger)
		publish()
		a.want(t)
		defer a.Listen(1)()
		publish() // before the other server knows
		time.Sleep(settled)
		a.want(t, "muster/missed of team 1")
	})
}

func TestWhatIsJudgedIsCountedByEveryServer(t *testing.T) {
	run(t, func(t *testing.T, a, b *server) {
		tell := func() {
			b.Handshake(7, "1/lamp", false)
			b.Handshake(7, "1/lamp", true)
			b.Alert(7, "1/lamp")
			b.Handshake(8, "1/fan", false)
			b.UpdateEnded(1, 7, fleet.RolledBack)
			time.Sleep(time.Second)
			a.sort(false)
		}
		tell()
		a.want(t, "rolled_back, team 1, product 7")
		a.mu.Lock()
		a.judged = []fleet.ProductID{7}
		a.mu.Unlock()
		time.Sleep(settled)
		a.want(t)
		tell()
		a.want(t, "alert of lamp@1", "handshake of lamp@1, product 7, false", "handshake of lamp@1, product 7, true", "rolled_back, team 1, product 7")
	})
}

func TestFailedSignInsCountAtEachServer(t *testing.T) {
	run(t, func(t *testing.T, a, b *server) {
		a.FailedSignIn("2001:db8::1", "a b@example.com", "")
		a.FailedSignIn("192.0.2.1", "x@example.com", "ID")
		time.Sleep(time.Second)
		a.want(t)
		b.sort(false)
		b.want(t, `failed sign-in of a b@example.com, "", at 2001:db8::1`, `failed sign-in of x@example.com, "ID", at 192.0.2.1`)
	})
}

func TestDownloadsAreShownWhileSomebodyLooks(t *testing.T) {
	run(t, func(t *testing.T, a, b *server) {
		set := func(downloads map[fleet.DeviceID]int64) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.downloads = downloads
		}
		set(map[fleet.DeviceID]int64{"1/lamp": 100, "1/fan": 200})
		time.Sleep(time.Minute)
		if b.looks() != 0 {
			t.Error("downloads are shown while nobody looks")
		}
		if got := a.DownloadsElsewhere(1); len(got) != 0 {
			t.Errorf("at the first look: got %v", got)
		}
		time.Sleep(settled)
		if got := a.DownloadsElsewhere(1); !maps.Equal(got, map[fleet.DeviceID]int64{"1/lamp": 100, "1/fan": 200}) {
			t.Errorf("got %v", got)
		}
		if got := a.DownloadsElsewhere(2); len(got) != 0 {
			t.Errorf("another team sees %v", got)
		}
		set(map[fleet.DeviceID]int64{"1/lamp": 300})
		time.Sleep(settled)
		if got := a.DownloadsElsewhere(1); !maps.Equal(got, map[fleet.DeviceID]int64{"1/lamp": 300}) {
			t.Errorf("later: got %v", got)
		}
		time.Sleep(2*linger + stale)
		if b.looks(); len(a.DownloadsElsewhere(1)) != 0 {
			t.Error("what was long ago is shown")
		}
		time.Sleep(settled)
		if b.looks() == 0 {
			t.Error("nothing is shown to those who look again")
		}
	})
}

func TestNewsThatCanNotBeReadAreLeftOut(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.Peers = New(Config{Log: slog.New(slog.DiscardHandler)}) // nothing may be called
	for topic, texts := range map[string][]string{
		"t1": {"", "\x01\x01\xc8", "\xff"}, "v1": {"lamp", "lamp x\n"}, "vx": {"lamp 1\n"}, "h7": {"?", "z 1 lamp", "h x lamp"}, "hx": {"h 1 lamp"}, "u": {"", "1", "1 7", "1 7 gone", "x 7 failed"}, "z": {"later"},
	} {
		for _, text := range texts {
			s.news("node", topic, []byte(text))
		}
	}
}

func TestAServerAloneHasNoPeers(t *testing.T) {
	t.Parallel()
	p := New(Config{})
	p.Listen(1)()
	p.Publish(event.Event{Payload: event.HandshakeDone{}, Team: 1})
	p.Handshake(7, "1/lamp", true)
	p.UpdateEnded(1, 7, fleet.Failed)
	p.FailedSignIn("192.0.2.1", "x@example.com", "")
	if p.DownloadsElsewhere(1) != nil {
		t.Error("there are downloads elsewhere")
	}
	p.Run(t.Context())
}
