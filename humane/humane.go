// Package humane writes numbers, sizes and times as people read them, for the console and the
// command line: rounded, with units. Programs read JSON instead.
package humane

import (
	"fmt"
	"strconv"
	"time"
)

// Number writes n with its digits in groups of three: "12,345".
func Number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Count writes how many of something there are: "1 device", "2 devices". The plural of word
// ends in s.
func Count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return Number(n) + " " + word + "s"
}

// Size writes a number of bytes in the largest unit that leaves at least 1: "512 B",
// "1.5 KiB", "29 MiB".
func Size(n int64) string {
	const kibi = 1 << 10
	if n < kibi {
		return fmt.Sprintf("%d B", n)
	}
	amount, unit := float64(n)/kibi, "KiB"
	if amount >= kibi {
		amount, unit = amount/kibi, "MiB"
	}
	if amount < 10 {
		return fmt.Sprintf("%.1f %s", amount, unit)
	}
	return fmt.Sprintf("%.0f %s", amount, unit)
}

// Ago writes how long ago something was, rounded to its largest unit: "just now",
// "7 min ago". A negative d lies ahead: "in 7 min".
func Ago(d time.Duration) string {
	switch {
	case d < 0:
		return "in " + inOneUnit(-d)
	case d < 5*time.Second:
		return "just now"
	}
	return inOneUnit(d) + " ago"
}

func inOneUnit(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// Span writes how long something takes, in its two largest units: "3 min 20 s".
func Span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// Lasting writes a duration that somebody chose, in one unit where it has one: "24 hours".
func Lasting(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", (d+day/2)/day)
	case d >= time.Hour && d%time.Hour == 0:
		return Count(int(d/time.Hour), "hour")
	case d >= time.Minute && d < time.Hour && d%time.Minute == 0:
		return Count(int(d/time.Minute), "minute")
	}
	return Span(d)
}
