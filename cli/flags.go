package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// versionText is a firmware version on the command line.
type versionText struct{ fleet.Version }

// UnmarshalText reads 7 or 1.4.0-rc.1.
func (v *versionText) UnmarshalText(text []byte) (err error) {
	v.Version, err = fleet.ParseVersion(string(text))
	return err
}

func (v versionText) wire() api.Version { return api.Version{Version: v.Version} }

// moment is a point in time on the command line.
type moment struct{ time.Time }

// UnmarshalText reads a time in RFC 3339, or a time span before now.
func (m *moment) UnmarshalText(text []byte) (err error) {
	if m.Time, err = time.Parse(time.RFC3339, string(text)); err == nil {
		return nil
	}
	var ago span
	if err := ago.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is not a time: use 2026-07-01T12:00:00Z, or how long ago as in 2h or 7d", text)
	}
	m.Time = time.Now().Add(-time.Duration(ago))
	return nil
}

// span is a time span on the command line: a Go duration, or whole days as in 30d.
type span time.Duration

const (
	second = time.Second
	day    = 24 * time.Hour
)

// UnmarshalText reads 30d, 12h or 1h30m; at least a second.
func (s *span) UnmarshalText(text []byte) error {
	word := string(text)
	if days, ok := strings.CutSuffix(word, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		*s = span(time.Duration(n) * day) //nolint:gosec // 16 bits
		if err == nil && n > 0 {
			return nil
		}
	} else if d, err := time.ParseDuration(word); err == nil && d >= second && d/second <= math.MaxUint32 {
		*s = span(d)
		return nil
	}
	return fmt.Errorf("%q is not a time span: use 30d, 12h or 90m", word)
}

func (s span) String() string {
	if d := time.Duration(s); d%day != 0 || d == 0 {
		return d.String()
	}
	return humane.Count(int(time.Duration(s)/day), "day")
}

// seconds is the span as the API takes it; 0 leaves it to the server.
func (s span) seconds() uint32 { return uint32(time.Duration(s) / second) } //nolint:gosec // UnmarshalText checked the range

// names splits a comma-separated list; an empty text is an empty list, not an absent one.
func names(text string) api.Names {
	list := api.Names{}
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list
}
