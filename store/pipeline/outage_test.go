//nolint:forbidigo // all sleeps are in synctest bubbles
package pipeline

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestALostRedisIsLoggedOnceAndSoIsItsReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := &outage{log: slog.New(slog.NewTextHandler(&log, nil))}
		o.over()
		since := time.Now()
		o.lasts(since, errors.New("one broken connection"))
		if log.Len() != 0 {
			t.Errorf("a passing fault is logged: %s", log.String())
		}
		time.Sleep(noticed)
		for range 100 {
			o.lasts(since, errors.New("connection refused"))
		}
		o.over()
		o.over()
		if got := log.String(); strings.Count(got, "\n") != 2 || strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "answers again") {
			t.Errorf("got %s, want one warning and that it is back", got)
		}
	})
}
