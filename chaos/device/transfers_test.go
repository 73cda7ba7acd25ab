package device

import (
	"testing"
	"time"

	"github.com/muster-iot/muster/simulator"
)

func TestTransfersCountsWhoIsSentChunksAtTheSameTime(t *testing.T) {
	const every = 50 * time.Millisecond
	for _, row := range []struct {
		name       string
		step       func(n int, all []simulator.Stats)
		most, over int
	}{
		{"nobody", func(int, []simulator.Stats) {}, 0, 0},
		{"three that download at once", func(n int, all []simulator.Stats) {
			for i := range all {
				all[i].Chunks++
			}
		}, 3, 1},
		{"one after the other", func(n int, all []simulator.Stats) { all[n/10%3].Chunks++ }, 1, 0},
		{"two, slowly, and one now and then", func(n int, all []simulator.Stats) {
			if n%5 == 0 {
				all[0].Chunks++
				all[1].Chunks++
			}
			if n%15 == 0 {
				all[2].Chunks++
			}
		}, 2, 0},
		{"one on a new connection for each chunk", func(n int, all []simulator.Stats) {
			all[0].Chunks++
			all[0].Connects++
		}, 0, 0},
		{"three for a moment", func(n int, all []simulator.Stats) {
			for i := range all {
				if i < 2 || n > 20 && n < 25 {
					all[i].Chunks++
				}
			}
		}, 3, 1},
		{"a third that reads its last chunk late", func(n int, all []simulator.Stats) {
			all[0].Chunks++
			if n <= 20 || n == 22 {
				all[1].Chunks++
			}
			if n >= 21 {
				all[2].Chunks++
			}
		}, 3, 0},
		{"three twice", func(n int, all []simulator.Stats) {
			for i := range all {
				if i < 2 || n > 10 && n < 15 || n > 40 && n < 45 {
					all[i].Chunks++
				}
			}
		}, 3, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			all, now, transfers := make([]simulator.Stats, 3), time.Now(), Transfers{Limit: 2}
			for n := range 80 {
				row.step(n, all)
				transfers.Sample(now.Add(time.Duration(n)*every), all)
			}
			if judged, most := transfers.Judged(); most != row.most || judged < 60 {
				t.Errorf("at most %d in %d samples, want %d", most, judged, row.most)
			}
			if _, over := transfers.Over(); len(over) != row.over {
				t.Errorf("got %v, want %d", over, row.over)
			}
		})
	}
}

func TestTooManyTransfersAreExcusedForAMomentAfterGrantsWereLost(t *testing.T) {
	for _, row := range []struct {
		name  string
		lasts int // samples
		doubt time.Duration
		wrong int
	}{
		{"never lost", 10, -time.Hour, 1},
		{"lost before", 10, -time.Second, 0},
		{"lost after", 10, 10 * time.Second, 1},
		{"for too long", 60, -time.Second, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			began, all := time.Now(), make([]simulator.Stats, 3)
			c := Transfers{Limit: 2}
			c.Doubt(began.Add(row.doubt), began.Add(row.doubt))
			for n := range 100 {
				for i := range all {
					if i < c.Limit || n < row.lasts {
						all[i].Chunks++
					}
				}
				c.Sample(began.Add(time.Duration(n)*50*time.Millisecond), all)
			}
			if excused, wrong := c.Over(); len(wrong) != row.wrong || len(excused) != 1-row.wrong {
				t.Errorf("got %v, and excused %v, want %d", wrong, excused, row.wrong)
			}
		})
	}
}
