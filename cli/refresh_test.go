package cli

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// TestAWatchOutlivesARestartOfTheServer: what a server did once it can do again.
func TestAWatchOutlivesARestartOfTheServer(t *testing.T) {
	away, broken := fleet.Errorf(fleet.Unavailable, "restarting"), errors.New("broken")
	for name, row := range map[string]struct {
		looks   []error // then it is done
		expired bool
		calls   int
		err     error
	}{
		"away after the first look": {[]error{nil, away, away, nil}, false, 5, nil},
		"away at the first look":    {[]error{away}, false, 1, away},
		"another failure":           {[]error{nil, broken}, false, 2, broken},
		"time is up":                {make([]error, 100), true, 10, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				expired, err := refresh(t.Context(), time.Second, 9500*time.Millisecond, func(context.Context) (bool, error) {
					if calls++; calls > len(row.looks) {
						return true, nil
					}
					return false, row.looks[calls-1]
				})
				if expired != row.expired || calls != row.calls || !errors.Is(err, row.err) {
					t.Errorf("got %t, %v after %d looks; want %t, %v after %d", expired, err, calls, row.expired, row.err, row.calls)
				}
			})
		})
	}
}
