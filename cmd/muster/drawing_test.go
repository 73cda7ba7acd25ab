//nolint:forbidigo // all sleeps are in synctest bubbles
package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// viewed is what show writes to a view.
func viewed(t *testing.T, live bool, show func(v *view)) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	show(&view{out: out, live: live})
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLiveViewDrawsALineThatIsAlone(t *testing.T) {
	const up, clear, below = "\x1b[1A", "\r\x1b[2K", "\x1b[J"
	got := viewed(t, true, func(v *view) {
		v.show([]string{"one of two"})
		v.show([]string{"two of two"})
		v.show([]string{"in short", "in full"})
	})
	want := clear + "one of two\n" + below + up + clear + "two of two\n" + below + up + clear + "in full\n" + below
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMeterTellsNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := viewed(t, false, func(v *view) {
			m := newMeter("uploaded", 120)
			m.view = v
			for range 12 {
				time.Sleep(meterPause / 4)
				_, _ = m.Write(make([]byte, 10))
			}
		})
		if want := "40 B of 120 B uploaded\n80 B of 120 B uploaded\n120 B of 120 B uploaded\n"; got != want {
			t.Errorf("12 writes in 15 s: got %q, want %q", got, want)
		}
	})
}
