package node

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redisserver"
)

// world is a Redis in memory with nodes, in a bubble of synctest.
type world struct {
	t      *testing.T
	redis  *pipeline.Pipeline
	away   bool // Redis, for all nodes
	events []string
}

func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	server := redisserver.NewMemory()
	t.Cleanup(server.Close)
	log := slog.New(slog.DiscardHandler)
	p := pipeline.New(pipeline.Target{Server: &redis.Options{Addr: "memory", Dialer: server.Dial}}, log, nil, pipeline.Guard{})
	t.Cleanup(p.Close)
	test(&world{t: t, redis: p})
}

func (w *world) node(name string) *Nodes {
	n := New(Config{
		Role: "all", Log: slog.New(slog.DiscardHandler),
		At: func(key string) (pipeline.Master, error) {
			if w.away {
				return pipeline.Master{}, errors.New("away")
			}
			return w.redis.Master(key)
		},
		Changed: func(id string, alive bool) {
			word := map[bool]string{true: " lives", false: " is dead"}[alive]
			w.events = append(w.events, name+": "+id+word)
		},
	})
	n.id = name + "-node"
	return n
}

func (w *world) beat(nodes ...*Nodes) {
	w.t.Helper()
	for _, n := range nodes {
		if err := n.beat(context.Background()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestANodeIsDeadOnceItsCounterWasSeenStandingStill(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		texts []string        // of the other node's field, one each time this one looks; "" for none
		gaps  []time.Duration // before each look; 1 s for what is missing
		alive []bool          // after each
	}{
		{"it beats", []string{"1", "2", "3"}, nil, []bool{true, true, true}},
		{"it misses some beats", []string{"1", "1", "1", "1", "2"}, nil, []bool{true, true, true, true, true}},
		{"it stands still for 10 s", []string{"1", "1", "1", "1", "1", "1", "1", "1", "1", "1", "1"}, nil, []bool{true, true, true, true, true, true, true, true, true, true, false}},
		{"it comes back", []string{"1", "1", "1", "1", "1", "1", "1", "1", "1", "1", "1", "2"}, nil, []bool{true, true, true, true, true, true, true, true, true, true, false, true}},
		{"this one could not look for a minute", []string{"1", "1", "2"}, []time.Duration{time.Second, time.Minute}, []bool{true, true, true}},
		{"it left", []string{"1", "2", ""}, nil, []bool{true, true, false}},
		{"it began again, with a low counter", []string{"90", "1", "2"}, nil, []bool{true, true, true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := New(Config{Log: slog.New(slog.DiscardHandler), Changed: func(string, bool) {}})
			now := time.Now()
			for i, text := range row.texts {
				gap := time.Second
				if i < len(row.gaps) {
					gap = row.gaps[i]
				}
				now = now.Add(gap)
				texts := map[string]string{n.id: "1"}
				if text != "" {
					texts["other"] = text
				}
				n.observe(now, texts)
				if got := n.Alive("other"); got != row.alive[i] {
					t.Errorf("look %d: alive is %t, want %t", i+1, got, row.alive[i])
				}
			}
		})
	}
}

func TestANodeThatCanNotBeatWritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		n := w.node("a")
		n.last.Store(&last{at: time.Since(n.began)})
		time.Sleep(patience) //nolint:forbidigo // in a bubble
		if n.Lapsed() {
			t.Error("it lapsed too early")
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // in a bubble
		if !n.Lapsed() || n.Holds("x") {
			t.Error("it writes although others may have taken it for dead")
		}
	})
}

func TestALeaseMovesWhenItsNodeIsDead(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		a, b, c := w.node("a"), w.node("b"), w.node("c")
		for _, n := range []*Nodes{a, b, c} {
			n.Holds("releases")
		}
		w.beat(a, b, c, a, b, c)
		check := func(when string, want ...bool) {
			t.Helper()
			if got := []bool{a.Holds("releases"), b.Holds("releases"), c.Holds("releases")}; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %v, want %v", when, got, want)
			}
		}
		check("at first", true, false, false)
		for _, n := range []*Nodes{b, c} { // a does not beat any more
			n.mu.Lock()
			n.peers[a.id].still = Silence
			n.mu.Unlock()
			n.observe(n.seen.Add(Every), map[string]string{a.id: a.self().text(2), b.id: b.self().text(2), c.id: c.self().text(2)})
		}
		w.beat(c, b)
		check("a is dead, but does not know", true, false, true)
		w.beat(a)
		check("a is back", false, false, true)
		if err := c.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.beat(b, a)
		if a.Holds("releases") || !b.Holds("releases") {
			t.Error("a lease of a node that has left is not taken by the next")
		}
		m, _ := w.redis.Master(keys.Nodes)
		if n := m.HLen(t.Context(), keys.Nodes).Val(); n != 2 {
			t.Errorf("%d nodes are left, want 2", n)
		}
	})
}

func TestADeadNodeIsForgotten(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		a, b := w.node("a"), w.node("b")
		w.beat(a, b)
		b.mu.Lock()
		b.peers[a.id].still = kept + time.Second
		b.mu.Unlock()
		w.beat(b, b)
		if n := len(b.Others()); n != 0 || b.Alive(a.id) {
			t.Errorf("%d others, want none", n)
		}
		w.beat(a, b)
		if !b.Alive(a.id) {
			t.Error("a node that beats again does not live")
		}
	})
}

func TestAServerAloneIsNoNode(t *testing.T) {
	t.Parallel()
	var n *Nodes
	if n.ID() != "" || n.Alive("") || n.Lapsed() || !n.Holds("x") || n.Others() != nil || n.Leave(t.Context()) != nil {
		t.Error("a server alone has something of a node")
	}
}

// TestATermEndsWhenOthersMayHaveTakenOver: also where the beat that shows it comes later.
func TestATermEndsWhenOthersMayHaveTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		n := w.node("a")
		n.reached(time.Now())
		first := n.Term()
		time.Sleep(patience) //nolint:forbidigo // in a bubble
		if n.Term() != first {
			t.Error("it ended too early")
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // in a bubble
		second := n.Term()
		if second == first {
			t.Error("others may have taken over, and its term has not ended")
		}
		n.reached(time.Now())
		if n.Term() != second || n.Lapsed() {
			t.Errorf("what was begun before the beat is of term %d, then %d", second, n.Term())
		}
	})
}
