package simulator

import (
	"slices"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// The types of Faults read themselves from flags: they are encoding.TextUnmarshalers.
// Every error is fleet.Invalid and lists what is accepted.

var stages = []string{"", "download", "verify", "store", "apply"}

func (s Stage) String() string { return stages[s] }

// UnmarshalText reads "STAGE:PERCENT%", as in "verify:2%".
func (s *StageChance) UnmarshalText(text []byte) error {
	word, percent, ok := strings.Cut(string(text), ":")
	i := slices.Index(stages, word)
	if !ok || i <= 0 {
		return fleet.Errorf(fleet.Invalid, "%.60q: use STAGE:PERCENT such as verify:2%%, with one of download, verify, store, apply", text)
	}
	s.Stage = Stage(i)
	return s.Chance.UnmarshalText([]byte(percent))
}

// MarshalText is the inverse of UnmarshalText.
func (s StageChance) MarshalText() ([]byte, error) {
	percent, err := s.Chance.MarshalText()
	return append([]byte(s.Stage.String()+":"), percent...), err
}

// UnmarshalText reads "VERSION[@HARDWARE]:PERCENT%", as in "3@rev-b:30%".
func (b *Break) UnmarshalText(text []byte) (err error) {
	what, percent, ok := strings.Cut(string(text), ":")
	version, hardware, only := strings.Cut(what, "@")
	b.Version, err = fleet.ParseVersion(version)
	if !ok || err != nil || only && hardware == "" {
		return fleet.Errorf(fleet.Invalid, "%.60q: use VERSION[@HARDWARE]:PERCENT such as 3:5%% or 3@rev-b:30%%", text)
	}
	b.Hardware = hardware
	return b.Share.UnmarshalText([]byte(percent))
}

// UnmarshalText reads a percentage from "0%" to "100%", such as "0.5%".
func (c *Chance) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(string(text), "%")
	p, ok := decimal(number)
	if !percent || !ok || p > 100 {
		return fleet.Errorf(fleet.Invalid, "%.60q: use a percentage from 0%% to 100%%, such as 0.5%%", text)
	}
	*c = Chance(p / 100)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (c Chance) MarshalText() ([]byte, error) {
	return append(strconv.AppendFloat(nil, float64(c)*100, 'g', 12, 64), '%'), nil
}

var units = []struct {
	suffix string
	bytes  float64
}{{"KB/s", 1e3}, {"MB/s", 1e6}, {"KiB/s", 1 << 10}, {"MiB/s", 1 << 20}, {"B/s", 1}}

// UnmarshalText reads "RATE" or "RATE:PERCENT%", such as "1KB/s" (every device) or
// "64KiB/s:10%". The units are B/s, KB/s, MB/s, KiB/s and MiB/s.
func (s *Slow) UnmarshalText(text []byte) error {
	rate, percent, some := strings.Cut(string(text), ":")
	s.Share = 1
	if some {
		if err := s.Share.UnmarshalText([]byte(percent)); err != nil {
			return err
		}
	}
	for _, u := range units {
		number, found := strings.CutSuffix(rate, u.suffix)
		if !found {
			continue
		}
		n, ok := decimal(strings.TrimSpace(number))
		if s.Rate = int64(n * u.bytes); ok && s.Rate >= 1 && n <= 1e9 {
			return nil
		}
		break
	}
	return fleet.Errorf(fleet.Invalid, "%.60q: use a rate such as 1KB/s or 64KiB/s:10%%, with B/s, KB/s, MB/s, KiB/s or MiB/s", text)
}

// decimal reads digits with at most one point: no sign, no exponent, no "NaN".
func decimal(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}
