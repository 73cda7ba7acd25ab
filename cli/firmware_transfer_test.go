//nolint:forbidigo // all sleeps are in synctest bubbles
package cli

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/cli/terminal"
)

func TestMeterPrintsALineNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "out")
		out, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		m := newMeter("uploaded", 120)
		m.view = terminal.NewView(out, true)
		for range 12 {
			time.Sleep(meterPause / 4)
			_, _ = m.Write(make([]byte, 10))
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if want := "40 B of 120 B uploaded\n80 B of 120 B uploaded\n120 B of 120 B uploaded\n"; string(got) != want {
			t.Errorf("12 writes in 15 s: got %q, want %q", got, want)
		}
	})
}
