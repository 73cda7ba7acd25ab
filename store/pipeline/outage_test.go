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
		o := &outage{log: slog.New(slog.NewTextHandler(&log, nil)), began: time.Now()}
		o.over(writes)
		o.lasts(reads, errors.New("one broken connection"))
		if log.Len() != 0 {
			t.Errorf("a passing fault is logged: %s", log.String())
		}
		time.Sleep(noticed)
		for range 100 {
			o.lasts(reads, errors.New("connection refused"))
			o.lasts(writes, errors.New("connection refused"))
		}
		o.over(reads)
		if strings.Contains(log.String(), "answers again") {
			t.Errorf("logged while writes still fail: %s", log.String())
		}
		o.over(writes)
		o.lasts(reads, errors.New("refused"))
		o.over(reads)
		if o.present() == nil || strings.Contains(log.String(), "answers again") {
			t.Errorf("it is over although a command was refused a moment ago: %s", log.String())
		}
		time.Sleep(quietFor)
		o.over(writes)
		o.over(writes)
		if err := o.present(); err != nil {
			t.Errorf("it is not over: %v", err)
		}
		if got := log.String(); strings.Count(got, "\n") != 2 || strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "answers again") {
			t.Errorf("got %s, want one warning and that it is back", got)
		}
	})
}
