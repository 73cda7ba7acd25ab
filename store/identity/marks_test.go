package identity

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/redistest"
	"github.com/muster-iot/muster/store/slots"
)

func TestEveryPartOfAClusterHasAMark(t *testing.T) {
	t.Parallel()
	marks := newMarks(true)
	if len(marks) != 1+len(keys.Marks) || marks[0].key != keys.Store {
		t.Fatalf("got %d marks, the first is %s", len(marks), marks[0].key)
	}
	for i, mark := range marks[1:] {
		if part := slots.Of(mark.key) * len(keys.Marks) / slots.Count; part != i {
			t.Errorf("mark %d is in part %d of the slots", i, part)
		}
	}
}

// TestAHolderWhoseLeaseLapsedWritesToNoMaster also holds for masters that do not have the lease.
func TestAHolderWhoseLeaseLapsedWritesToNoMaster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cluster, err := redistest.StartCluster(t.TempDir(), 3, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Stop)
	target, err := pipeline.Parse(cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	keeper := New(Config{Cluster: true, Log: log, Changed: func(c Change) { t.Errorf("redis has changed: %+v", c) }})
	p := pipeline.New(target, log, nil, pipeline.Guard{Recognize: keeper.Recognize})
	t.Cleanup(p.Close)
	if err := p.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if err := keeper.Take(ctx, p.Master, func(context.Context) (Found, error) { return Found{}, nil }); err != nil {
		t.Fatal(err)
	}
	lease, err := p.Master(keys.Store)
	if err != nil {
		t.Fatal(err)
	}
	var other pipeline.Master
	for _, mark := range keeper.marks[1:] {
		if other, err = p.Master(mark.key); err == nil && !other.Holds(keys.Store) {
			break
		}
	}
	confirm := func(m pipeline.Master, works bool) {
		t.Helper()
		if err := keeper.Confirm(ctx, m); (err == nil) != works {
			t.Errorf("got %v, want that it works: %v", err, works)
		}
	}
	confirm(other, true)
	keeper.confirmed.Store(int64(-time.Hour))
	confirm(other, false)
	confirm(lease, true)
	confirm(other, true)
}
