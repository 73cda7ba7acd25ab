package store

import (
	"context"
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
)

// maxRepeats bounds the records of one team; beyond, the oldest are dropped.
const maxRepeats = 1000

// Repeats keeps the outcomes of requests that a client may repeat.
type Repeats struct{ core *core }

// Take stores record for id for lifetime and returns it, or returns the record that id already
// has. Each call must have a record of its own.
func (s *Repeats) Take(ctx context.Context, team fleet.TeamID, id, record string, lifetime time.Duration) (held string, err error) {
	now := s.core.clock.Now()
	reply, err := s.core.Run(ctx, takeScript, []string{keys.Repeats(team), keys.RepeatOrder(team)},
		id, record, millis(now), millis(now.Add(lifetime)), maxRepeats)
	held, _ = reply.(string)
	return held, err
}

// Settle replaces the record of id, or removes it if record is "". A dropped one stays dropped.
func (s *Repeats) Settle(ctx context.Context, team fleet.TeamID, id, record string) error {
	_, err := s.core.Run(ctx, settleScript, []string{keys.Repeats(team), keys.RepeatOrder(team)}, id, record)
	return err
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
