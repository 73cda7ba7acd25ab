package calendar

import (
	"fmt"
	"strings"
	"time"
)

// Days is a set of days of the week; zero is all of them.
type Days uint8

const everyDay Days = 1<<7 - 1

var names = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // by time.Weekday

func (d Days) has(day time.Weekday) bool { return d == 0 || d&(1<<day) != 0 }

// String spells d from Monday on, as in "mon-fri", "sat,sun" or "daily".
func (d Days) String() string {
	if d == 0 || d == everyDay {
		return "daily"
	}
	var parts []string
	for i := 0; i < 7; i++ {
		first := i
		for i < 7 && d.has(fromMonday(i)) {
			i++
		}
		switch i - first {
		case 0:
		case 1:
			parts = append(parts, names[fromMonday(first)])
		case 2:
			parts = append(parts, names[fromMonday(first)], names[fromMonday(first+1)])
		default:
			parts = append(parts, names[fromMonday(first)]+"-"+names[fromMonday(i-1)])
		}
	}
	return strings.Join(parts, ",")
}

// fromMonday is the n-th day of a week, 0 for Monday.
func fromMonday(n int) time.Weekday { return time.Weekday((n + 1) % 7) }

// ParseDays reads days as String spells them; a range may pass the end of the week. "" is daily.
func ParseDays(text string) (days Days, err error) {
	if text == "" || strings.EqualFold(text, "daily") {
		return 0, nil
	}
	for part := range strings.SplitSeq(strings.ToLower(text), ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		first, okFirst := weekday(from)
		last, okLast := weekday(to)
		if !okFirst || !okLast {
			return 0, fmt.Errorf("%.40q are not days: use mon, tue, wed, thu, fri, sat, sun, as in mon-fri or sat,sun; or daily", text)
		}
		for day := first; ; day = (day + 1) % 7 {
			days |= 1 << day
			if day == last {
				break
			}
		}
	}
	return days, nil
}

func weekday(name string) (time.Weekday, bool) {
	for day, known := range names {
		if known == strings.TrimSpace(name) {
			return time.Weekday(day), true
		}
	}
	return 0, false
}
