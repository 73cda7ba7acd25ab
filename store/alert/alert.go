// Package alert keeps the alerts of teams.
package alert

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
	"github.com/muster-iot/muster/store/retention"
)

var (
	//go:embed raise.lua
	raiseSource string
	//go:embed archive.lua
	archiveSource string

	raiseScript   = pipeline.NewScript(retention.Lua + raiseSource)
	archiveScript = pipeline.NewScript(archiveSource)
)

// Scripts are those the pipeline must load.
func Scripts() []*pipeline.Script { return []*pipeline.Script{raiseScript, archiveScript} }

// Log is the alerts in one Redis. It is safe for concurrent use.
type Log struct {
	redis *pipeline.Pipeline
	clock *steady.Clock
	keep  *retention.Policy
}

// New returns the alerts of p. clock decides which are too old to be kept.
func New(p *pipeline.Pipeline, clock *steady.Clock, keep *retention.Policy) *Log {
	return &Log{redis: p, clock: clock, keep: keep}
}

// Raise stores an alert of a.Team and returns it with its id. A zero Raised means now.
func (s *Log) Raise(ctx context.Context, a fleet.Alert) (fleet.Alert, error) {
	if a.Raised.IsZero() {
		a.Raised = time.Now()
	}
	a.ID = alertTime(a.Raised) + "-" + s.redis.Nonce()
	order, sizes := keys.AlertShares(a.Team)
	_, err := s.redis.Run(ctx, raiseScript, []string{keys.Alerts(a.Team), keys.AlertOrder(a.Team), order, sizes, keys.News(a.Team), keys.Channels(a.Team)},
		a.ID, record.Alert.Pack(&a), s.keep.Alerts.All, alertTime(s.clock.Now().Add(-s.keep.Age)),
		a.Device.String(), s.keep.Alerts.Owner, s.keep.Alerts.Floor)
	if err != nil {
		return fleet.Alert{}, err
	}
	return a, nil
}

// alertTime returns the beginning of an alert's id, so that ids sort by time.
func alertTime(t time.Time) string { return fmt.Sprintf("%011x", max(t.UnixMilli(), 0)) }

// alertChunk is how many alerts are read at a time.
const alertChunk = 500

// alertForm matches the ids of alerts.
var alertForm = regexp.MustCompile(`^[0-9a-f]{11,16}-[0-9A-Za-z.]{1,40}$`)

// Alerts returns a page of a team's archived or active alerts, newest first, and the cursor of
// the next page, "" after the last. limit is 1 to 100. An empty device means all devices. It returns
// fleet.Invalid for a cursor of another list.
func (s *Log) Alerts(ctx context.Context, team fleet.TeamID, device fleet.DeviceID, archived bool, after string, limit int) (page []fleet.Alert, next string, err error) {
	limit, device = min(max(limit, 1), 100), device.In(team)
	from := "+"
	if after != "" {
		if !alertForm.MatchString(after) {
			return nil, "", fleet.FieldErrorf("after", "cursor %.40q is not one of this list: start again without it", after)
		}
		from = "(" + after
	}
	oldest := "[" + alertTime(s.clock.Now().Add(-s.keep.Age))
	for {
		ids, err := pipeline.Fetch(ctx, s.redis, keys.AlertOrder(team), func(p redis.Pipeliner) pipeline.Result[[]string] {
			return p.ZRevRangeByLex(context.Background(), keys.AlertOrder(team), &redis.ZRangeBy{Max: from, Min: oldest, Count: alertChunk})
		})
		if err != nil || len(ids) == 0 {
			return page, "", err
		}
		alerts, err := s.AlertsOf(ctx, team, ids)
		if err != nil {
			return nil, "", err
		}
		for _, a := range alerts {
			if len(page) == limit {
				return page, page[limit-1].ID, nil
			}
			if a.Archived == archived && (device == "" || a.Device == device) {
				page = append(page, a)
			}
		}
		from = "(" + ids[len(ids)-1]
	}
}

// AlertsOf returns the alerts of ids, without those dropped meanwhile.
func (s *Log) AlertsOf(ctx context.Context, team fleet.TeamID, ids []string) ([]fleet.Alert, error) {
	fields := make([]string, 0, 2*len(ids))
	for _, id := range ids {
		fields = append(fields, id, "x"+id)
	}
	values, err := pipeline.Fetch(ctx, s.redis, keys.Alerts(team), func(p redis.Pipeliner) pipeline.Result[[]any] {
		return p.HMGet(context.Background(), keys.Alerts(team), fields...)
	})
	if err != nil {
		return nil, err
	}
	alerts := make([]fleet.Alert, 0, len(ids))
	for i, id := range ids {
		text, ok := values[2*i].(string)
		if !ok {
			continue
		}
		var a fleet.Alert
		if err := record.Alert.Unpack(text, &a); err != nil {
			return nil, err
		}
		a.ID, a.Team, a.Device, a.Archived = id, team, a.Device.In(team), values[2*i+1] != nil
		alerts = append(alerts, a)
	}
	return alerts, nil
}

// Alert returns one alert; fleet.NotFound when there is none.
func (s *Log) Alert(ctx context.Context, team fleet.TeamID, id string) (fleet.Alert, error) {
	alerts, err := s.AlertsOf(ctx, team, []string{id})
	if err != nil {
		return fleet.Alert{}, err
	}
	if len(alerts) == 0 {
		return fleet.Alert{}, noAlert(id)
	}
	return alerts[0], nil
}

// ArchiveAlert archives an alert, or restores it; fleet.NotFound when there is none.
func (s *Log) ArchiveAlert(ctx context.Context, team fleet.TeamID, id string, archived bool) error {
	flag := "0"
	if archived {
		flag = "1"
	}
	status, err := s.redis.RunStatus(ctx, archiveScript, []string{keys.Alerts(team)}, id, flag)
	if err == nil && status == 0 {
		return noAlert(id)
	}
	return err
}

func noAlert(id string) error { return fleet.Errorf(fleet.NotFound, "no such alert: %.60s", id) }
