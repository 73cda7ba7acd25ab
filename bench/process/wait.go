package process

import (
	"context"
	"fmt"
	"time"
)

// Pause waits for d or the end of ctx.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Poll calls ready every 20 ms until it returns true or an error, or limit is over.
func Poll(ctx context.Context, limit time.Duration, what string, ready func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s: not within %v", what, limit))
	defer cancel()
	for {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		if Pause(ctx, 20*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
	}
}
