package grant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestAShareIsWhatANodeWantsOrAsMuchAsTheOthersHave(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		most  int64
		turn  int64
		wants []int64
		want  []int64
	}{
		{"enough for all, and the rest at hand", 100, 0, []int64{10, 20, 10}, []int64{30, 40, 30}},
		{"nobody wants any", 100, 0, []int64{0, 0, 0}, []int64{34, 33, 33}},
		{"one wants more than there is", 100, 0, []int64{0, 500, 0}, []int64{0, 100, 0}},
		{"a small want is met", 100, 0, []int64{10, 500, 500}, []int64{10, 45, 45}},
		{"all want more", 100, 0, []int64{500, 500, 500}, []int64{34, 33, 33}},
		{"all want more, the next turn", 100, 1, []int64{500, 500, 500}, []int64{33, 34, 33}},
		{"fewer than nodes", 1, 2, []int64{3, 3, 3}, []int64{0, 0, 1}},
		{"fewer than nodes, and one wants none", 1, 1, []int64{3, 0, 3}, []int64{0, 0, 1}},
		{"as much as is wanted", 30, 0, []int64{10, 20}, []int64{10, 20}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for i, want := range row.want {
				var wishes []wish
				for node, n := range row.wants {
					wishes = append(wishes, wish{fmt.Sprint(node), n})
				}
				if got := shareOf(fmt.Sprint(i), row.most, wishes, row.turn); got != want {
					t.Errorf("node %d: got %d, want %d", i, got, want)
				}
			}
		})
	}
}

// table is Redis's hash.
type table struct {
	seconds int64
	version string
	texts   map[string]string
}

func (s *table) swap(was, is, node, text string, gone []string) reply {
	if s.version != was {
		return reply{s.seconds, s.version, maps.Clone(s.texts)}
	}
	for _, id := range gone {
		delete(s.texts, id)
	}
	s.texts[node], s.version = text, is
	return reply{s.seconds, s.version, nil}
}

// server is a node with one limit.
type server struct {
	*Grants
	id     string
	w      *installation
	bound  int64
	held   int64
	wants  int64
	lapsed bool
	dead   bool // to the others
	idle   bool // nothing is in use or wanted: the limit is forgotten, as that of a team without devices
	late   []func()
	mu     sync.Mutex // guards bound and held where Run is called
}

type installation struct {
	table
	most    int64
	servers []*server
	away    atomic.Bool                                                         // Redis
	trip    func(s *server, was, is, text string, gone []string) (reply, error) // nil: one that works
}

func (w *installation) join(id string) *server {
	s := &server{id: id, w: w}
	s.Grants = newGrants(s, slog.New(slog.DiscardHandler), func(_ context.Context, was, is, node, text string, gone []string) (reply, error) {
		if w.away.Load() {
			return reply{}, errors.New("away")
		}
		if w.trip != nil {
			return w.trip(s, was, is, text, gone)
		}
		return w.swap(was, is, node, text, gone), nil
	}, []Limits{s})
	w.servers = append(w.servers, s)
	return s
}

func (s *server) ID() string           { return s.id }
func (s *server) Lapsed() bool         { return s.lapsed }
func (s *server) Dead(id string) bool  { o := s.w.find(id); return o != nil && o.dead }
func (s *server) Alive(id string) bool { o := s.w.find(id); return o != nil && !o.dead }

func (w *installation) find(id string) *server {
	for _, s := range w.servers {
		if s.id == id {
			return s
		}
	}
	return nil
}

// Share implements Limits.
func (s *server) Share(shares map[string]Allowance) map[string]Need {
	s.mu.Lock()
	defer s.mu.Unlock()
	if share, has := shares["slots"]; has {
		if s.bound = share.Bound; share.Cut {
			s.held = min(s.held, s.bound)
		}
	}
	if s.idle {
		s.bound = 0
		return nil
	}
	return map[string]Need{"slots": {Most: s.w.most, Held: s.held, Wants: s.wants}}
}

// use takes what may be used and is wanted.
func (s *server) use() (held int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = max(s.held, min(s.bound, s.wants))
	return s.held
}

func (w *installation) held() (n int64) {
	for _, s := range w.servers {
		n += s.held
	}
	return n
}

// TestNoMoreIsInUseThanTheLimit has servers exchange in any order, with trips that fail, whose answers are
// lost, or that reach Redis later than the ones after them, and servers that others take for dead.
func TestNoMoreIsInUseThanTheLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := &installation{table: table{texts: map[string]string{}}, most: rapid.Int64Range(1, 12).Draw(rt, "most")}
		w.trip = func(s *server, was, is, text string, gone []string) (reply, error) {
			switch rapid.IntRange(0, 9).Draw(rt, "trip") {
			case 0:
				return reply{}, errors.New("it did not reach Redis")
			case 1:
				w.swap(was, is, s.id, text, gone)
				return reply{}, errors.New("its answer is lost")
			case 2:
				s.late = append(s.late, func() { w.swap(was, is, s.id, text, gone) })
				return reply{}, errors.New("it is late")
			}
			return w.swap(was, is, s.id, text, gone), nil
		}
		for i := range rapid.IntRange(1, 4).Draw(rt, "servers") {
			w.join(fmt.Sprint("s", i))
		}
		for range rapid.IntRange(0, 150).Draw(rt, "steps") {
			s := rapid.SampledFrom(w.servers).Draw(rt, "server")
			switch rapid.IntRange(0, 8).Draw(rt, "step") {
			case 0:
				s.wants = rapid.Int64Range(0, 15).Draw(rt, "wants")
			case 1:
				s.held = max(s.held-1, 0)
			case 2:
				w.seconds += 7
			case 3:
				if len(s.late) > 0 {
					s.late[0]()
					s.late = s.late[1:]
				}
			case 4: // it lapses, in time; then the others may see it dead
				s.lapsed = true
				s.lapse()
				s.dead = rapid.Bool().Draw(rt, "dead")
			case 5:
				s.lapsed, s.dead = false, false
			default:
				if !s.lapsed {
					_ = s.exchange(t.Context())
				}
				s.use()
			}
			if w.held() > w.most {
				rt.Fatalf("%d are in use of %d", w.held(), w.most)
			}
		}
		w.trip = nil
		for _, s := range w.servers {
			s.lapsed, s.dead = false, false
		}
		w.settle(t)
		wants := int64(0)
		for _, s := range w.servers {
			wants += s.wants
		}
		if got, want := w.held(), min(wants, w.most); got < want || got > w.most {
			rt.Fatalf("%d are in use after quiet, want %d of %d", got, want, w.most)
		}
	})
}

// settle has all servers exchange until nothing changes: what one gives up, others see one exchange later, and again
// what these leave.
func (w *installation) settle(t *testing.T) {
	t.Helper()
	for range 8 {
		for _, s := range w.servers {
			if s.dead || s.lapsed {
				continue
			}
			if err := s.exchange(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.use()
		}
	}
}

func TestWhatADeadServerHadIsFree(t *testing.T) {
	t.Parallel()
	w := &installation{table: table{texts: map[string]string{}}, most: 10}
	a, b := w.join("a"), w.join("b")
	a.wants, b.wants = 10, 0
	w.settle(t)
	if a.held != 10 {
		t.Fatalf("a has %d of 10", a.held)
	}
	b.wants = 10
	a.lapsed = true // and is killed
	w.settle(t)
	if b.held != 0 {
		t.Errorf("b has %d while a may still be there", b.held)
	}
	a.dead, a.held = true, 0
	w.settle(t)
	if b.held != 10 {
		t.Errorf("b has %d of 10", b.held)
	}
	if _, there := w.texts["a"]; there {
		t.Error("a still has a field")
	}
	a.dead, a.lapsed, a.wants = false, false, 10
	a.held = 10 // it was only suspended, and has not looked yet
	w.settle(t)
	if w.held() > 10 || a.held != 0 {
		t.Errorf("a is back with %d, b has %d", a.held, b.held)
	}
}

func TestAServerGivesUpWhatAnotherWantsWhenItFirstSeesThat(t *testing.T) {
	t.Parallel()
	w := &installation{table: table{texts: map[string]string{}}, most: 4}
	a := w.join("a")
	a.wants = 1
	w.settle(t)
	if a.bound != 4 {
		t.Fatalf("a may use %d of 4 while it is alone", a.bound)
	}
	b := w.join("b")
	b.wants = 1
	for _, s := range []*server{b, a, b} {
		if err := s.exchange(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if a.bound != 2 || b.bound != 2 {
		t.Errorf("a may use %d and b %d of 4, want 2 each", a.bound, b.bound)
	}
}

// TestALimitThatWasForgottenBeginsWithNothing has the answer lost by which a server gave everything back.
func TestALimitThatWasForgottenBeginsWithNothing(t *testing.T) {
	t.Parallel()
	w := &installation{table: table{texts: map[string]string{}}, most: 4}
	a, b := w.join("a"), w.join("b")
	a.wants, b.idle = 3, true
	w.settle(t)
	a.held, a.wants, a.idle = 0, 0, true
	w.trip = func(s *server, was, is, text string, gone []string) (reply, error) {
		if r := w.swap(was, is, s.id, text, gone); r.all != nil {
			return r, nil // another has written: it decides again
		}
		return reply{}, errors.New("its answer is lost")
	}
	if err := a.exchange(t.Context()); err == nil {
		t.Fatal("the answer was not lost")
	}
	w.trip, b.idle, b.wants = nil, false, 4
	for range 2 {
		if err := b.exchange(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b.use() != 4 {
		t.Fatalf("b has %d of 4", b.held)
	}
	a.idle, a.wants = false, 1
	w.trip = func(s *server, was, is, text string, gone []string) (reply, error) {
		if a.bound > 0 {
			t.Errorf("a may use %d while it has no grant", a.bound)
		}
		return w.swap(was, is, s.id, text, gone), nil
	}
	if err := a.exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatLeavesGivesEverythingBack(t *testing.T) {
	t.Parallel()
	w := &installation{table: table{texts: map[string]string{}}, most: 10}
	a, b := w.join("a"), w.join("b")
	a.wants, b.wants = 10, 10
	w.settle(t)
	if a.held+b.held != 10 {
		t.Fatalf("they have %d and %d of 10", a.held, b.held)
	}
	a.leaving, a.held, a.wants = true, 0, 0
	w.settle(t)
	if b.held != 10 {
		t.Errorf("b has %d of 10", b.held)
	}
}

// TestALostEndOfTheGrantsIsMadeUpFor is a fail-over: servers use what Redis does not know about.
func TestALostEndOfTheGrantsIsMadeUpFor(t *testing.T) {
	t.Parallel()
	w := &installation{table: table{texts: map[string]string{}}, most: 10}
	a, b := w.join("a"), w.join("b")
	w.settle(t)
	before := table{w.seconds, w.version, maps.Clone(w.texts)}
	a.wants = 10
	w.settle(t)
	w.table = before
	b.wants = 10
	w.settle(t)
	if w.held() != 10 || a.held == 0 || b.held == 0 {
		t.Errorf("a has %d and b %d of 10", a.held, b.held)
	}
}

func TestAServerThatCanNotExchangeHasNothingBeforeOthersTakeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &installation{table: table{texts: map[string]string{}}, most: 10}
		a := w.join("a")
		a.wants = 10
		ctx, cancel := context.WithCancel(t.Context())
		var ended = make(chan struct{})
		go func() { a.Run(ctx); close(ended) }()
		synctest.Wait()
		if n := a.use(); n != 10 {
			t.Fatalf("it has %d of 10", n)
		}
		w.away.Store(true)
		time.Sleep(valid - every) //nolint:forbidigo // in a bubble
		synctest.Wait()
		if n := a.use(); n != 10 {
			t.Errorf("it has %d of 10 although nobody can have taken it for dead", n)
		}
		time.Sleep(2 * every) //nolint:forbidigo // in a bubble
		synctest.Wait()
		if n := a.use(); n != 0 {
			t.Errorf("it has %d", n)
		}
		w.away.Store(false)
		a.Want()            // not later than with the next second
		time.Sleep(soonest) //nolint:forbidigo // in a bubble
		synctest.Wait()
		if n := a.use(); n != 10 {
			t.Errorf("it is back and has %d of 10", n)
		}
		cancel()
		<-ended
	})
}

// TestALimitSmallerThanTheServersGoesRound has one slot, which two servers always want.
func TestALimitSmallerThanTheServersGoesRound(t *testing.T) {
	t.Parallel()
	w := &installation{table: table{texts: map[string]string{}}, most: 1}
	a, b := w.join("a"), w.join("b")
	a.wants, b.wants = 5, 5
	had := map[*server]int{}
	for range 60 {
		w.seconds++
		for _, s := range w.servers {
			s.held = 0 // what it had is done
			if err := s.exchange(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.use()
			had[s] += int(s.held)
		}
	}
	if had[a] < 15 || had[b] < 15 {
		t.Errorf("in 60 s, a had %d updates and b %d", had[a], had[b])
	}
}

func TestWhatIsInUseAndCanNotEndIsCounted(t *testing.T) {
	t.Parallel()
	mine, shares := claimsOf(t, Need{Most: 10, Held: 7, Wants: 9, Stays: true}, claim{grant: 6})
	if mine.grant != 7 || shares.Cut {
		t.Errorf("got %+v, %+v, want 7 that stay", mine, shares)
	}
	mine, shares = claimsOf(t, Need{Most: 10, Held: 7, Wants: 9}, claim{grant: 6})
	if mine.grant != 4 || !shares.Cut {
		t.Errorf("got %+v, %+v, want to keep 4", mine, shares)
	}
	mine, shares = claimsOf(t, Need{Held: 7, Wants: 9}, claim{need: need{held: 3}})
	if mine.grant != 0 || mine.held != 7 || shares.Elsewhere != 3 {
		t.Errorf("without a limit: got %+v, %+v", mine, shares)
	}
}

func claimsOf(t *testing.T, n Need, other claim) (claim, Allowance) {
	t.Helper()
	w := &installation{table: table{texts: map[string]string{}}}
	s := w.join("a")
	s.round.table["b"] = claims{"x": other}
	mine, shares := s.decide(map[string]Need{"x": n})
	return mine["x"], shares["x"]
}

func TestClaimsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	c := claims{"updates": {10, need{4, 3}}, "connections:7": {1, need{2, 3}}}
	if got := decode(c.encode()); !maps.Equal(got, c) {
		t.Errorf("got %v", got)
	}
	if got := decode("bytes 1 2 3 4 of a later release\nodd\n"); !maps.Equal(got, claims{"bytes": {1, need{2, 3}}}) {
		t.Errorf("a later release's: got %v", got)
	}
}
