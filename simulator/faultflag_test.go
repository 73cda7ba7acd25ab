package simulator

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestFaultFlags(t *testing.T) {
	for _, row := range []struct {
		text string
		into encoding.TextUnmarshaler
		want string // fmt of what was read, "" for refused
	}{
		{"verify:2%", new(StageChance), "&{verify 0.02}"},
		{"download:100%", new(StageChance), "&{download 1}"},
		{"apply:.5%", new(StageChance), "&{apply 0.005}"},
		{"store:0%", new(StageChance), "&{store 0}"},
		{":2%", new(StageChance), ""},
		{"verify", new(StageChance), ""},
		{"verify:2", new(StageChance), ""},
		{"boot:2%", new(StageChance), ""},
		{"verify:101%", new(StageChance), ""},
		{"verify:-1%", new(StageChance), ""},
		{"verify:1e1%", new(StageChance), ""},
		{"verify:NaN%", new(StageChance), ""},
		{"verify:%", new(StageChance), ""},
		{"verify:.%", new(StageChance), ""},
		{"3:5%", new(Break), "&{3  0.05}"},
		{"1.2.0-rc.1@rev-b:30%", new(Break), "&{1.2.0-rc.1 rev-b 0.3}"},
		{"3@:30%", new(Break), ""},
		{"3@rev-b", new(Break), ""},
		{"v3:30%", new(Break), ""},
		{"1KB/s", new(Slow), "&{1000 1}"},
		{"1.5 KiB/s:10%", new(Slow), "&{1536 0.1}"},
		{"2MB/s", new(Slow), "&{2000000 1}"},
		{"1MiB/s", new(Slow), "&{1048576 1}"},
		{"64B/s:0.5%", new(Slow), "&{64 0.005}"},
		{"0.1B/s", new(Slow), ""},
		{"1KB", new(Slow), ""},
		{"KB/s", new(Slow), ""},
		{"-1KB/s", new(Slow), ""},
		{"1KB/s:", new(Slow), ""},
		{"99999999999MB/s", new(Slow), ""},
		{"light", new(ClientKind), fmt.Sprint(ptr(Light))},
		{"mqtt", new(ClientKind), ""},
	} {
		t.Run(row.text, func(t *testing.T) {
			err := row.into.UnmarshalText([]byte(row.text))
			switch kind, isKind := row.into.(*ClientKind); {
			case (err == nil) != (row.want != ""):
				t.Errorf("got %v, %v; want %q", row.into, err, row.want)
			case err != nil && !errors.Is(err, fleet.Invalid):
				t.Errorf("got %v, want an Invalid", err)
			case err == nil && isKind && *kind != Light:
				t.Errorf("got %v, want Light", *kind)
			case err == nil && !isKind && fmt.Sprint(row.into) != row.want:
				t.Errorf("got %v, want %s", row.into, row.want)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func FuzzFaultFlags(f *testing.F) {
	for _, seed := range []string{"verify:2%", "1KB/s:10%", "0.5%", "download:.%", "1e400MB/s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c StageChance
		if c.UnmarshalText([]byte(text)) == nil {
			if c.Chance < 0 || c.Chance > 1 || c.Stage == NoStage {
				t.Errorf("%q: got %+v", text, c)
			}
			again, _ := c.MarshalText()
			var d StageChance
			if err := d.UnmarshalText(again); err != nil || d.Stage != c.Stage || math.Abs(float64(d.Chance-c.Chance)) > 1e-9 {
				t.Errorf("%q: written as %q, read as %+v, %v", text, again, d, err)
			}
		}
		var s Slow
		if s.UnmarshalText([]byte(text)) == nil && (s.Rate < 1 || s.Share < 0 || s.Share > 1) {
			t.Errorf("%q: got %+v", text, s)
		}
	})
}
