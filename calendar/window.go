// Package calendar answers at which times of a week something may happen, in local time.
//
// A Window is open while a clock in its zone shows a time inside it. So on the day that an hour
// comes twice, a window in that hour is open twice; on the day that an hour does not come, a
// window in that hour does not open.
package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a container may have no zones of its own
)

// Device in place of a zone is the zone that the device in question reports.
const Device = "device"

const (
	day     = 24 * time.Hour
	horizon = 15 * day // any window opens within it, also when a time change skips it once
)

// Window is a time of the day, on some days of the week.
type Window struct {
	Days Days          // on which it opens; zero: every day
	From time.Duration // since midnight, whole minutes
	To   time.Duration // the same; not above From: on the next day
	Zone string        // an IANA name, or Device
}

// Check returns why w can't be used, nil if it can.
func (w Window) Check() error {
	switch {
	case w.From < 0 || w.From >= day || w.To < 0 || w.To > day || w.From%time.Minute != 0 || w.To%time.Minute != 0:
		return fmt.Errorf("a window is from 00:00 or later to 24:00 or earlier, in whole minutes")
	case w.From == w.To:
		return fmt.Errorf("a window from %s to %s is empty: for a whole day use 00:00 to 24:00", Clock(w.From), Clock(w.To))
	case w.Zone != Device && !Known(w.Zone):
		return fmt.Errorf("%.64q is not a time zone: use an IANA name such as Europe/Berlin, UTC, or device for the zone that each device reports", w.Zone)
	}
	return nil
}

// String spells w, as in "mon-fri 01:00-05:00 Europe/Berlin".
func (w Window) String() string {
	return w.Days.String() + " " + Clock(w.From) + "-" + Clock(w.To) + " " + w.Zone
}

// Next returns the first time, now or later, at which one of windows is open: now itself if one
// is, or if there are none. zone is that of the device, "" if it reports none; ok is false if
// every window needs it then.
func Next(windows []Window, zone string, now time.Time) (at time.Time, ok bool) {
	if len(windows) == 0 {
		return now, true
	}
	for _, w := range windows {
		name := w.Zone
		if name == Device {
			name = zone
		}
		if location := load(name); location != nil {
			if opens := w.next(now, location); !ok || opens.Before(at) {
				at, ok = opens, true
			}
		}
	}
	return at, ok
}

// next goes through the spans of time in which the zone's offset from UTC does not change: there
// local times are instants plus a constant.
func (w Window) next(now time.Time, zone *time.Location) time.Time {
	last := now.Add(horizon)
	for at := now; at.Before(last); {
		local := at.In(zone)
		_, seconds := local.Zone()
		offset := time.Duration(seconds) * time.Second
		_, end := local.ZoneBounds()
		if end.IsZero() || end.After(last) {
			end = last
		}
		midnight := at.Add(offset).UTC().Truncate(day).Add(-day) // of the local day before, whose window may last into this one
		for ; midnight.Add(-offset).Before(end); midnight = midnight.Add(day) {
			if !w.Days.has(midnight.Weekday()) {
				continue
			}
			opens, closes := midnight.Add(w.From-offset), midnight.Add(w.To-offset)
			if w.To <= w.From {
				closes = closes.Add(day)
			}
			if opens.Before(at) {
				opens = at
			}
			if opens.Before(closes) && opens.Before(end) {
				return opens
			}
		}
		at = end
	}
	return last
}

// Clock spells a time of the day, as in "01:30".
func Clock(sinceMidnight time.Duration) string {
	return fmt.Sprintf("%02d:%02d", sinceMidnight/time.Hour, sinceMidnight/time.Minute%60)
}

// ParseClock reads a time of the day, from 00:00 to 24:00.
func ParseClock(text string) (sinceMidnight time.Duration, err error) {
	hours, minutes, _ := strings.Cut(text, ":")
	h, errH := strconv.ParseUint(hours, 10, 8)
	m, errM := strconv.ParseUint(minutes, 10, 8)
	if errH != nil || errM != nil || len(minutes) != 2 || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%.16q is not a time of the day: use one such as 01:30, up to 24:00", text)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, nil //nolint:gosec // at most 24 and 59
}

// zones are those loaded so far, by name; there are about 600.
var zones sync.Map

// Known reports whether name is a time zone.
func Known(name string) bool { return load(name) != nil }

func load(name string) *time.Location {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location)
	}
	if name == "" || name == "Local" || len(name) > 64 {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	zones.Store(name, zone)
	return zone
}
