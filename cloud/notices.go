package cloud

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store"
)

// notify raises an alert in every team for each notice about the store, until ctx ends.
func (c *Cloud) notify(ctx context.Context, notices <-chan store.Notice) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-notices:
			c.alertAll(ctx, n.Name, n.Text)
		}
	}
}

// alertAll raises an alert without a device in every team.
func (c *Cloud) alertAll(ctx context.Context, name, text string) {
	teams, err := c.store.Teams.AllTeams(ctx)
	for _, team := range teams {
		err = errors.Join(err, c.activity.alert(ctx, fleet.Alert{Team: team, Name: name, Text: text, Raised: time.Now()}))
	}
	if err != nil {
		c.log.Log(ctx, levelOf(err), "alert not raised", "alert", name, "err", err)
	}
}

// levelOf is the level to log an error at that concerns one device or request. The store logs
// that it can't be used once, for all of them.
func levelOf(err error) slog.Level {
	if errors.Is(err, fleet.Unavailable) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
