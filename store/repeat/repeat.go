// Package repeat keeps the outcomes of requests that a client may repeat.
package repeat

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

var (
	//go:embed take.lua
	takeSource string
	//go:embed settle.lua
	settleSource string

	takeScript   = pipeline.NewScript(takeSource)
	settleScript = pipeline.NewScript(settleSource)
)

// Scripts are those the pipeline must load.
func Scripts() []*pipeline.Script { return []*pipeline.Script{takeScript, settleScript} }

// Most is how many records a team has at most; beyond, the oldest are dropped.
const Most = 1000

// Repeats are the outcomes in one Redis. It is safe for concurrent use.
type Repeats struct {
	redis *pipeline.Pipeline
	clock *steady.Clock
}

// New returns the repeats of p. clock decides what has expired.
func New(p *pipeline.Pipeline, clock *steady.Clock) *Repeats {
	return &Repeats{redis: p, clock: clock}
}

// Take stores record for id for lifetime and returns it, or returns the record that id already
// has. Each call must have a record of its own.
func (s *Repeats) Take(ctx context.Context, team fleet.TeamID, id, record string, lifetime time.Duration) (held string, err error) {
	now := s.clock.Now()
	reply, err := s.redis.Run(ctx, takeScript, []string{keys.Repeats(team), keys.RepeatOrder(team)},
		id, record, millis(now), millis(now.Add(lifetime)), Most)
	held, _ = reply.(string)
	return held, err
}

// Settle replaces the record of id, or removes it if record is "". A dropped one stays dropped.
func (s *Repeats) Settle(ctx context.Context, team fleet.TeamID, id, record string) error {
	_, err := s.redis.Run(ctx, settleScript, []string{keys.Repeats(team), keys.RepeatOrder(team)}, id, record)
	return err
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
