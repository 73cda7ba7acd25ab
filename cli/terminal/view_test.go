package terminal

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLiveViewDrawsALineThatIsAlone(t *testing.T) {
	const up, clear, below = "\x1b[1A", "\r\x1b[2K", "\x1b[J"
	name := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	v := &View{out: out, live: true}
	v.Show([]string{"one of two"})
	v.Show([]string{"two of two"})
	v.Show([]string{"in short", "in full"})
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := clear + "one of two\n" + below + up + clear + "two of two\n" + below + up + clear + "in full\n" + below
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
