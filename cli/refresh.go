package cli

import (
	"context"
	"errors"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// checkEvery returns a Misuse for an interval that can't be.
func checkEvery(every time.Duration) error {
	if every <= 0 {
		return Misuse("--every %s: use a time above 0, such as 1s", every)
	}
	return nil
}

// refresh calls look now and then, until it is done, ctx ends or most is over, 0: never. It
// reports whether most is over. Once look has succeeded it may fail with fleet.Unavailable: the
// server may be restarting. look's context ends with most.
func refresh(ctx context.Context, every, most time.Duration, look func(ctx context.Context) (done bool, err error)) (expired bool, err error) {
	limit := ctx
	if most > 0 {
		var cancel context.CancelFunc
		limit, cancel = context.WithTimeout(ctx, most)
		defer cancel()
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for seen := false; ; {
		done, err := look(limit)
		switch {
		case done:
			return false, err
		case err == nil:
			seen = true
		case limit.Err() != nil: // no failure of look
		case seen && errors.Is(err, fleet.Unavailable):
			note("The server does not respond; retrying.")
		default:
			return false, err
		}
		select {
		case <-tick.C:
		case <-limit.Done():
			return ctx.Err() == nil, nil
		}
	}
}
