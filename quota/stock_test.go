package quota

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestAStockIsWhatRecordsSayAndWhatIsBeingWritten(t *testing.T) {
	records := map[fleet.TeamID]int64{1: 8}
	s := newStock(Limit{"devices", "devices", 10, "delete some"}, func(_ context.Context, team fleet.TeamID) (int64, error) {
		return records[team], nil
	})
	first, err := s.Reserve(t.Context(), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Reserve(t.Context(), 1, 1)
	var e *fleet.Error
	if !errors.As(err, &e) || e.Kind != fleet.Conflict || e.Code != Code || e.Text != "quota devices: your team has 10 of at most 10 devices: delete some" {
		t.Errorf("got %v", err)
	}
	if _, err := s.Reserve(t.Context(), 2, 10); err != nil {
		t.Errorf("another team: %v", err)
	}
	first()
	first() // once only
	records[1] = 10
	if _, err := s.Reserve(t.Context(), 1, 1); !errors.Is(err, fleet.Conflict) {
		t.Errorf("after they were written: got %v, want conflict", err)
	}
	records[1] = 5 // some were deleted, by whatever way
	if _, err := s.Reserve(t.Context(), 1, 5); err != nil {
		t.Errorf("after some were deleted: %v", err)
	}
}

func TestReservationsAtTheSameTimeDontExceedTheQuota(t *testing.T) {
	var written atomic.Int64
	s := newStock(Limit{Most: 10}, func(context.Context, fleet.TeamID) (int64, error) { return written.Load(), nil })
	var writers sync.WaitGroup
	for range 50 {
		writers.Go(func() {
			if release, err := s.Reserve(context.Background(), 1, 1); err == nil {
				written.Add(1)
				release()
			}
		})
	}
	writers.Wait()
	if n := written.Load(); n > 10 || n == 0 {
		t.Errorf("%d were written, the quota is 10", n)
	}
	if len(s.reserved) != 0 {
		t.Errorf("%v stay reserved", s.reserved)
	}
}
