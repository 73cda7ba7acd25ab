package cloud

import (
	"context"
	"errors"
	"log/slog"

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
			c.activity.raiseInAllTeams(ctx, c.store.Teams, n.Name, n.Text)
		}
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
