package document_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
	"github.com/muster-iot/muster/store/redisserver"
)

// team is a document with a single field and a map.
type team struct {
	revision uint64
	team     fleet.Team
	names    map[string]bool
}

var kind = document.Kind[team]{
	Name: "team",
	Fields: func(h *document.Hash, x *team) {
		document.One(h, "team", record.Team, &x.team)
		document.Named(h, "n:", document.Present{}, x.names)
	},
	Clone: func(x *team) *team {
		n := *x
		n.names = map[string]bool{}
		for name := range x.names {
			n.names[name] = true
		}
		return &n
	},
	Revision: func(x *team) *uint64 { return &x.revision },
}

// openTwo opens the documents of one Redis as two processes would.
func openTwo(t *testing.T) (one, other *document.Documents[string, team]) {
	t.Helper()
	server := redisserver.NewMemory()
	t.Cleanup(server.Close)
	open := func() *document.Documents[string, team] {
		p := pipeline.New(pipeline.Target{Server: &redis.Options{Addr: "ephemeral", Dialer: server.Dial}}, slog.New(slog.DiscardHandler), []*pipeline.Script{document.Script}, pipeline.Guard{})
		t.Cleanup(p.Close)
		return document.New(p, kind, func(id string) string { return "x:{" + id + "}" })
	}
	return open(), open()
}

func add(name string) func(*team) error {
	return func(x *team) error {
		x.names[name] = true
		return nil
	}
}

func TestAChangeIsMadeAgainAfterAnother(t *testing.T) {
	one, other := openTwo(t)
	ctx := t.Context()
	if err := one.Create(ctx, "a", &team{team: fleet.Team{ID: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := other.Create(ctx, "a", &team{}); !errors.Is(err, fleet.Conflict) {
		t.Errorf("created twice: got %v, want conflict", err)
	}
	tries := 0
	changed, err := one.Edit(ctx, "a", func(x *team) error {
		if tries++; tries == 1 {
			if _, err := other.Edit(ctx, "a", add("theirs")); err != nil {
				return err
			}
		}
		return add("ours")(x)
	})
	if err != nil || tries != 2 || !changed.names["ours"] || !changed.names["theirs"] || changed.team.ID != 1 {
		t.Errorf("got %+v, %v after %d tries, want both changes after 2", changed, err, tries)
	}
	if _, err := one.Edit(ctx, "a", func(x *team) error { delete(x.names, "theirs"); return nil }); err != nil {
		t.Fatal(err)
	}
	if cached, err := other.Get(ctx, "a"); err != nil || !cached.names["theirs"] {
		t.Errorf("got %+v, %v, want the state the other process knows", cached, err)
	}
	if live, err := other.Live(ctx, "a"); err != nil || live.names["theirs"] || !live.names["ours"] {
		t.Errorf("got %+v, %v, want the newest state", live, err)
	}
}

func TestADocumentThatKeepsChangingIsBusy(t *testing.T) {
	one, other := openTwo(t)
	if err := one.Create(t.Context(), "a", &team{}); err != nil {
		t.Fatal(err)
	}
	_, err := one.Edit(t.Context(), "a", func(x *team) error {
		_, err := other.Edit(context.Background(), "a", add("theirs"))
		return errors.Join(err, add("ours")(x))
	})
	if !errors.Is(err, fleet.Busy) {
		t.Errorf("got %v, want busy", err)
	}
}

func TestAnErrorOfAChangeEndsIt(t *testing.T) {
	one, _ := openTwo(t)
	if err := one.Create(t.Context(), "a", &team{}); err != nil {
		t.Fatal(err)
	}
	tries := 0
	_, err := one.Edit(t.Context(), "a", func(*team) error {
		tries++
		return fleet.Errorf(fleet.Conflict, "the name is taken")
	})
	if !errors.Is(err, fleet.Conflict) || tries != 1 {
		t.Errorf("got %v after %d tries, want its conflict after 1", err, tries)
	}
	if err := one.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Get(t.Context(), "a"); !errors.Is(err, fleet.NotFound) {
		t.Errorf("removed: got %v, want not found", err)
	}
}

func TestAComparisonSeesChangesOfOthers(t *testing.T) {
	one, other := openTwo(t)
	if err := one.Create(t.Context(), "a", &team{}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Edit(t.Context(), "a", add("theirs")); err != nil {
		t.Fatal(err)
	}
	if one.Cached("a") == nil || one.Newest("a") != 1 {
		t.Fatal("seen before it was compared")
	}
	one.Compare(t.Context())
	if one.Cached("a") != nil || one.Newest("a") != 2 || one.Newest("unknown") != math.MaxUint64 {
		t.Errorf("got %+v, revision %d, want that the one in memory is old", one.Cached("a"), one.Newest("a"))
	}
}

// TestWhatALaterReleaseHasWrittenIsKept has a document of a release that runs side by side with this one: what
// an edit does not change stays as it is.
func TestWhatALaterReleaseHasWrittenIsKept(t *testing.T) {
	server := redisserver.NewMemory()
	t.Cleanup(server.Close)
	p := pipeline.New(pipeline.Target{Server: &redis.Options{Addr: "ephemeral", Dialer: server.Dial}}, slog.New(slog.DiscardHandler), []*pipeline.Script{document.Script}, pipeline.Guard{})
	t.Cleanup(p.Close)
	docs := document.New(p, kind, func(id string) string { return "x:{" + id + "}" })
	ctx := t.Context()
	if err := docs.Create(ctx, "a", &team{team: fleet.Team{ID: 1, Name: "Team"}}); err != nil {
		t.Fatal(err)
	}
	m, err := p.Master("x:{a}")
	if err != nil {
		t.Fatal(err)
	}
	newer := map[string]string{"team": m.HGet(ctx, "x:{a}", "team").Val() + "\xc8\x03new", "later": "field"} // tag 200
	if err := m.HSet(ctx, "x:{a}", newer).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := docs.Load(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if changed, err := docs.Edit(ctx, "a", add("ours")); err != nil || changed.team.Name != "Team" {
		t.Fatalf("got %+v, %v", changed, err)
	}
	fields := m.HGetAll(ctx, "x:{a}").Val()
	for field, want := range newer {
		if fields[field] != want {
			t.Errorf("%s is %q, want %q", field, fields[field], want)
		}
	}
	if fields["n:ours"] == "" {
		t.Error("the edit is not written")
	}
}
