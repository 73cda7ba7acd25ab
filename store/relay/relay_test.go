//nolint:forbidigo // all sleeps are in synctest bubbles
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redisserver"
)

// peer is a node with a relay, of a store in memory, in a bubble of synctest.
type peer struct {
	t     *testing.T
	nodes *node.Nodes
	*Relay
	redis *pipeline.Pipeline
	away  atomic.Bool // Redis, for this node
	stop  func()

	mu    sync.Mutex
	heard []string // guarded by mu
}

// run runs a test with some nodes that know each other.
func run(t *testing.T, count int, test func(t *testing.T, peers []*peer)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := redisserver.NewMemory()
		defer server.Close()
		var peers []*peer
		for range count {
			p := join(t, server)
			defer p.stop()
			peers = append(peers, p)
		}
		time.Sleep(3 * node.Every)
		test(t, peers)
	})
}

func join(t *testing.T, server *redisserver.Memory) *peer {
	p := &peer{t: t}
	log := slog.New(slog.DiscardHandler)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if p.away.Load() {
			return nil, errors.New("away")
		}
		return server.Dial(ctx, network, addr)
	}
	p.redis = pipeline.New(pipeline.Target{Server: &redis.Options{Addr: "memory", Dialer: dial}}, log, nil, pipeline.Guard{})
	at := func(key string) (pipeline.Master, error) {
		if p.away.Load() {
			return pipeline.Master{}, errors.New("away")
		}
		return p.redis.Master(key)
	}
	p.nodes = node.New(node.Config{Role: "all", Log: log, At: at, Changed: func(string, bool) {}})
	p.Relay = New(at, p.nodes)
	if err := p.nodes.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.nodes.Run(ctx) })
	running.Go(func() {
		p.Run(ctx, Receiver{
			News: func(from, topic string, data []byte) {
				if !slices.Contains(p.nodes.Others(), from) {
					t.Errorf("news from %q", from)
				}
				p.hear(topic + " " + string(data))
			},
			Missed:  func(topic string) { p.hear(topic + " missed") },
			Changed: func() {},
		})
	})
	p.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		_ = p.nodes.Leave(context.WithoutCancel(ctx))
		p.redis.Close()
	})
	return p
}

func (p *peer) hear(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, what)
}

// sort sorts what was heard, and drops what was heard twice.
func (p *peer) sort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.heard)
	p.heard = slices.Compact(p.heard)
}

// forgive drops what may be heard, or not, when beats and news fall into one moment.
func (p *peer) forgive(suffix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = slices.DeleteFunc(p.heard, func(heard string) bool { return strings.HasSuffix(heard, suffix) })
}

func (p *peer) send(topic, text string) { p.Send(topic, func() []byte { return []byte(text) }) }

// want checks all that a node has heard since the last call.
func (p *peer) want(when string, want ...string) {
	p.t.Helper()
	p.mu.Lock()
	got := p.heard
	p.heard = nil
	p.mu.Unlock()
	if !slices.Equal(got, want) {
		if len(got) > 10 {
			got = append(got[:10:10], fmt.Sprint("and ", len(got)-10, " more"))
		}
		p.t.Errorf("%s: heard %q, want %q", when, got, want)
	}
}

const (
	soon    = time.Second    // news are there
	settled = 3 * node.Every // others know what a node wants
)

func TestNewsReachTheNodesThatWantThem(t *testing.T) {
	run(t, 3, func(t *testing.T, peers []*peer) {
		a, b, c := peers[0], peers[1], peers[2]
		a.Want([]string{"lamps", "fans"})
		c.Want([]string{"fans"})
		time.Sleep(settled)
		b.send("lamps", "1")
		b.send("fans", "2")
		b.send("locks", "3")
		a.send("fans", "4")
		time.Sleep(soon)
		a.sort()
		a.want("what it wants", "fans 2", "lamps 1")
		b.want("nothing")
		c.sort()
		c.want("what it wants", "fans 2", "fans 4")
		a.Want([]string{"fans"})
		time.Sleep(settled)
		b.send("lamps", "5")
		b.send("fans", "6")
		time.Sleep(soon)
		a.forgive(" missed")
		a.want("less", "fans 6")
	})
}

// TestNothingIsWrittenWhileNobodyWantsAnything also holds a second time, after somebody did.
func TestNothingIsWrittenWhileNobodyWantsAnything(t *testing.T) {
	run(t, 2, func(t *testing.T, peers []*peer) {
		a, b := peers[0], peers[1]
		m, err := a.redis.Master(keys.Wants)
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			b.Send("lamps", func() []byte { t.Errorf("%s: news are encoded", when); return nil })
			time.Sleep(soon)
			if got := m.Keys(t.Context(), "*").Val(); slices.ContainsFunc(got, func(k string) bool { return k != keys.Nodes && k != keys.Leases }) {
				t.Errorf("%s: Redis has %q", when, got)
			}
		}
		check("at first")
		a.Want([]string{"lamps"})
		time.Sleep(settled)
		b.send("lamps", "1")
		time.Sleep(soon)
		a.Want(nil)
		time.Sleep(settled)
		check("later")
	})
}

// TestWhatIsMissedIsReported is the ways in which news get lost.
func TestWhatIsMissedIsReported(t *testing.T) {
	t.Run("news just before the others know", func(t *testing.T) {
		run(t, 3, func(t *testing.T, peers []*peer) {
			a, b, c := peers[0], peers[1], peers[2]
			c.Want([]string{"lamps", "fans"})
			time.Sleep(settled)
			a.Want([]string{"lamps", "fans"})
			b.send("lamps", "1")
			time.Sleep(settled)
			a.forgive("lamps 1")
			a.want("of one topic", "lamps missed")
			c.want("it wanted them before", "lamps 1")
		})
	})
	t.Run("more than fits", func(t *testing.T) {
		run(t, 2, func(t *testing.T, peers []*peer) {
			a, b := peers[0], peers[1]
			a.Want([]string{"lamps", "fans"})
			time.Sleep(settled)
			for range 2 * maxQueued {
				b.send("lamps", "1")
			}
			b.send("fans", "2")
			time.Sleep(soon)
			a.sort()
			a.want("what fits", "fans 2", "lamps 1", "lamps missed")
		})
	})
	t.Run("the sender has no Redis", func(t *testing.T) {
		run(t, 2, func(t *testing.T, peers []*peer) {
			a, b := peers[0], peers[1]
			a.Want([]string{"lamps"})
			time.Sleep(settled)
			b.send("lamps", "1")
			time.Sleep(soon)
			b.away.Store(true)
			b.send("lamps", "2")
			time.Sleep(soon)
			b.away.Store(false)
			time.Sleep(soon + again)
			b.send("lamps", "3")
			time.Sleep(soon)
			a.want("a gap", "lamps 1", "lamps missed", "lamps 3")
		})
	})
	t.Run("the reader has no Redis", func(t *testing.T) {
		run(t, 2, func(t *testing.T, peers []*peer) {
			a, b := peers[0], peers[1]
			a.Want([]string{"lamps"})
			time.Sleep(settled)
			a.away.Store(true)
			time.Sleep(soon)
			b.send("lamps", "1")
			time.Sleep(soon)
			a.want("nothing")
			a.away.Store(false)
			time.Sleep(soon)
			a.want("it may have missed some", "lamps 1", "lamps missed")
		})
	})
	t.Run("Redis lost them", func(t *testing.T) {
		run(t, 2, func(t *testing.T, peers []*peer) {
			a, b := peers[0], peers[1]
			a.Want([]string{"lamps", "fans"})
			time.Sleep(settled)
			m, _ := a.redis.Master(keys.Inbox(a.nodes.ID()))
			lost := batch{b.nodes.ID(), 1, []item{{itemNews, "lamps", "1"}}}
			found := batch{b.nodes.ID(), 2, []item{{itemNews, "lamps", "2"}, {'?', "lamps", "of a later release"}}}
			m.RPush(t.Context(), keys.Inbox(a.nodes.ID()), found.encode())
			m.RPush(t.Context(), keys.Inbox(a.nodes.ID()), lost.encode()) // a fail-over brought it back
			time.Sleep(soon)
			a.sort()
			a.want("a gap", "fans missed", "lamps 2", "lamps missed")
		})
	})
	t.Run("a node leaves", func(t *testing.T) {
		run(t, 2, func(t *testing.T, peers []*peer) {
			a, b := peers[0], peers[1]
			a.Want([]string{"lamps"})
			time.Sleep(settled)
			b.stop()
			time.Sleep(settled)
			a.want("it may have had some", "lamps missed")
		})
	})
	t.Run("what a node wants is lost", func(t *testing.T) {
		run(t, 2, func(t *testing.T, peers []*peer) {
			a, b := peers[0], peers[1]
			a.Want([]string{"lamps"})
			time.Sleep(settled)
			m, _ := a.redis.Master(keys.Wants)
			m.Del(t.Context(), keys.Wants)
			time.Sleep(settled)
			a.sort()
			a.want("it may have missed some", "lamps missed")
			b.send("lamps", "1")
			time.Sleep(soon)
			a.want("it has said again what it wants", "lamps 1")
		})
	})
}

func TestABatchThatIsBrokenIsAnError(t *testing.T) {
	t.Parallel()
	whole := batch{"node", 300, []item{{itemNews, "lamps", strings.Repeat("x", 200)}, {itemMissed, "fans", ""}}}
	got, err := decode(whole.encode())
	if err != nil || got.from != "node" || got.number != 300 || !slices.Equal(got.items, whole.items) {
		t.Errorf("got %+v, %v", got, err)
	}
	text := whole.encode()
	for n := range len(text) {
		if got, err := decode(text[:n]); err == nil && len(got.items) == 2 {
			t.Errorf("cut at %d of %d bytes: read as whole", n, len(text))
		}
	}
}

func TestAServerAloneWantsNothing(t *testing.T) {
	t.Parallel()
	r := New(nil, nil)
	r.Want([]string{"lamps"})
	r.Send("lamps", func() []byte { t.Error("news are encoded"); return nil })
	if r.Wanted("") != nil {
		t.Error("somebody wants something")
	}
	r.Run(t.Context(), Receiver{})
}
