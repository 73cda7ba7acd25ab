package store

import (
	"context"
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// maxRepeats bounds the records of one team; beyond, the oldest make room.
const maxRepeats = 1000

// Repeats keeps what requests that may be repeated came to. Each operation is one script.
type Repeats struct{ core *core }

// Take keeps record for id until expires and returns it, or the record that id has
// already. No two calls may bring the same record.
func (s *Repeats) Take(ctx context.Context, team fleet.TeamID, id, record string, expires time.Time) (held string, err error) {
	reply, err := s.core.Run(ctx, takeScript, []string{repeatsKey(team), repeatOrderKey(team)},
		id, record, millis(time.Now()), millis(expires), maxRepeats)
	held, _ = reply.(string)
	return held, err
}

// Settle replaces the record of id; "" forgets it. One that made room for others stays away.
func (s *Repeats) Settle(ctx context.Context, team fleet.TeamID, id, record string) error {
	_, err := s.core.Run(ctx, settleScript, []string{repeatsKey(team), repeatOrderKey(team)}, id, record)
	return err
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
