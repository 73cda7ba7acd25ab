package steady

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAClockFollowsAStepOnlyOnceItHasLasted(t *testing.T) {
	type move struct{ elapsed, step time.Duration }
	const second, hour = time.Second, time.Hour
	for _, row := range []struct {
		name  string
		moves []move
		want  time.Duration // since the start
	}{
		{"no step", []move{{hour, 0}}, hour},
		{"forward for a moment", []move{{second, 0}, {second, 48 * hour}, {second, 48 * hour}}, 3 * second},
		{"forward and back", []move{{second, hour}, {second, 0}, {second, 0}}, 3 * second},
		{"back for a moment", []move{{second, -hour}, {second, -hour}}, 2 * second},
		{"back and forward", []move{{second, -hour}, {second, hour}, {second, 0}}, 3 * second},
		{"forward for good", []move{{second, hour}, {Believed, hour}}, second + Believed + hour},
		{"back for good", []move{{hour, -hour / 2}, {Believed, -hour / 2}}, hour/2 + Believed},
		{"another step before the first is believed", []move{{second, hour}, {Believed / 2, 2 * hour}, {Believed / 2, 2 * hour}}, second + Believed},
		{"a small correction", []move{{hour, -second / 2}}, hour - second/2},
	} {
		t.Run(row.name, func(t *testing.T) {
			var c Clock
			began := c.Now()
			var elapsed, got time.Duration
			for _, m := range row.moves {
				elapsed += m.elapsed
				got = c.advance(began.Add(elapsed+m.step), m.elapsed).Sub(began)
			}
			if got != row.want {
				t.Errorf("got %s after the start, want %s", got, row.want)
			}
		})
	}
}

func TestAClockMovesWithTheMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		began := c.Now()
		<-time.After(time.Hour)
		if got := c.Now().Sub(began); got != time.Hour {
			t.Errorf("got %s, want an hour", got)
		}
	})
}
