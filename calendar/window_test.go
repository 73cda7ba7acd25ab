package calendar_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/calendar"
)

func window(t *testing.T, days, from, to, zone string) calendar.Window {
	t.Helper()
	d, err := calendar.ParseDays(days)
	if err != nil {
		t.Fatal(err)
	}
	f, errF := calendar.ParseClock(from)
	u, errU := calendar.ParseClock(to)
	w := calendar.Window{Days: d, From: f, To: u, Zone: zone}
	if errF != nil || errU != nil || w.Check() != nil {
		t.Fatalf("%s %s-%s %s: %v, %v, %v", days, from, to, zone, errF, errU, w.Check())
	}
	return w
}

// TestWindowsOpenByTheLocalClock has the days of 2026 on which clocks change. In Berlin 02:00
// becomes 03:00 on 29 March, and 03:00 becomes 02:00 on 25 October; in New York it is 02:00 to 03:00
// on 8 March and 02:00 to 01:00 on 1 November; on Lord Howe, by half an hour, 02:00 to 02:30 on 4
// October and 02:00 to 01:30 on 5 April; in Cairo 00:00 to 01:00 on 24 April, and 24:00 to 23:00 on 29
// October.
func TestWindowsOpenByTheLocalClock(t *testing.T) {
	const berlin, newYork, lordHowe, cairo = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"
	for name, row := range map[string]struct {
		days, from, to, zone string
		now, opens           string // opens "": open now
	}{
		"inside":                            {"daily", "01:00", "05:00", "UTC", "2026-06-03T01:00:00Z", ""},
		"at its end":                        {"daily", "01:00", "05:00", "UTC", "2026-06-03T05:00:00Z", "2026-06-04T01:00:00Z"},
		"before it":                         {"daily", "01:00", "05:00", "UTC", "2026-06-03T00:59:59Z", "2026-06-03T01:00:00Z"},
		"a whole day":                       {"daily", "00:00", "24:00", "UTC", "2026-06-03T23:59:59Z", ""},
		"on Friday, for Monday":             {"mon-thu", "01:00", "05:00", "UTC", "2026-06-05T02:00:00Z", "2026-06-08T01:00:00Z"},
		"past midnight":                     {"fri", "22:00", "02:00", "UTC", "2026-06-06T01:00:00Z", ""},
		"past midnight, not the next night": {"fri", "22:00", "02:00", "UTC", "2026-06-06T23:00:00Z", "2026-06-12T22:00:00Z"},
		"in another zone":                   {"mon-fri", "01:00", "05:00", "Asia/Tokyo", "2026-06-07T15:30:00Z", "2026-06-07T16:00:00Z"},
		"the hour that does not come":       {"daily", "02:00", "03:00", berlin, "2026-03-28T23:00:00Z", "2026-03-30T00:00:00Z"},
		"half of it does not come":          {"daily", "02:30", "03:30", berlin, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
		"over the hour that does not come":  {"daily", "01:00", "05:00", berlin, "2026-03-29T01:00:00Z", ""},
		"its end, an hour earlier":          {"daily", "01:00", "05:00", berlin, "2026-03-29T03:00:00Z", "2026-03-29T23:00:00Z"},
		"the hour that comes twice, first":  {"daily", "02:00", "03:00", berlin, "2026-10-25T00:30:00Z", ""},
		"the hour that comes twice, again":  {"daily", "02:00", "03:00", berlin, "2026-10-25T01:30:00Z", ""},
		"between its two halves":            {"daily", "02:30", "03:00", berlin, "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"},
		"after it":                          {"daily", "02:00", "03:00", berlin, "2026-10-25T02:00:00Z", "2026-10-26T01:00:00Z"},
		"the day after the change":          {"daily", "01:00", "05:00", berlin, "2026-10-25T22:00:00Z", "2026-10-26T00:00:00Z"},
		"weekly, and skipped once":          {"sun", "02:10", "02:40", berlin, "2026-03-29T00:00:00Z", "2026-04-05T00:10:00Z"},

		"a day of 23 hours":              {"sun", "00:00", "24:00", berlin, "2026-03-29T21:59:00Z", ""},
		"after it, a day of 24":          {"sun", "00:00", "24:00", berlin, "2026-03-29T22:00:00Z", "2026-04-04T22:00:00Z"},
		"a day of 25 hours":              {"sun", "00:00", "24:00", berlin, "2026-10-25T22:59:00Z", ""},
		"past midnight, to no such time": {"sat", "22:00", "02:30", berlin, "2026-03-29T00:59:00Z", ""},
		"which ends with the change":     {"sat", "22:00", "02:30", berlin, "2026-03-29T01:00:00Z", "2026-04-04T20:00:00Z"},
		"past midnight, twice":           {"sat", "22:00", "02:30", berlin, "2026-10-25T00:15:00Z", ""},
		"between the two":                {"sat", "22:00", "02:30", berlin, "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z"},
		"the second of them":             {"sat", "22:00", "02:30", berlin, "2026-10-25T01:15:00Z", ""},
		"after both":                     {"sat", "22:00", "02:30", berlin, "2026-10-25T01:30:00Z", "2026-10-31T21:00:00Z"},

		"New York: the hour that does not come":      {"daily", "02:00", "03:00", newYork, "2026-03-07T20:00:00Z", "2026-03-09T06:00:00Z"},
		"New York: the hour that comes twice, first": {"daily", "01:00", "02:00", newYork, "2026-11-01T05:30:00Z", ""},
		"New York: the hour that comes twice, again": {"daily", "01:00", "02:00", newYork, "2026-11-01T06:30:00Z", ""},
		"New York: after it":                         {"daily", "01:00", "02:00", newYork, "2026-11-01T07:00:00Z", "2026-11-02T06:00:00Z"},

		"Lord Howe: the half hour that does not come":      {"daily", "02:00", "02:30", lordHowe, "2026-10-03T15:00:00Z", "2026-10-04T15:00:00Z"},
		"Lord Howe: the half hour that comes twice, first": {"daily", "01:30", "02:00", lordHowe, "2026-04-04T14:45:00Z", ""},
		"Lord Howe: the half hour that comes twice, again": {"daily", "01:30", "02:00", lordHowe, "2026-04-04T15:15:00Z", ""},
		"Lord Howe: after it":                              {"daily", "01:30", "02:00", lordHowe, "2026-04-04T15:30:00Z", "2026-04-05T15:00:00Z"},

		"Cairo: a day that begins at 01:00":                  {"fri", "00:00", "24:00", cairo, "2026-04-23T21:59:00Z", "2026-04-23T22:00:00Z"},
		"Cairo: its first hour, which does not come":         {"daily", "00:00", "01:00", cairo, "2026-04-23T12:00:00Z", "2026-04-24T21:00:00Z"},
		"Cairo: the last hour of a day comes twice, first":   {"thu", "23:00", "24:00", cairo, "2026-10-29T20:30:00Z", ""},
		"Cairo: the last hour of a day comes twice, again":   {"thu", "23:00", "24:00", cairo, "2026-10-29T21:30:00Z", ""},
		"Cairo: past midnight, which is not between the two": {"thu", "23:30", "00:30", cairo, "2026-10-29T21:10:00Z", "2026-10-29T21:30:00Z"},
		"Cairo: past midnight, after the hour came again":    {"thu", "23:30", "00:30", cairo, "2026-10-29T22:10:00Z", ""},
	} {
		now, err := time.Parse(time.RFC3339, row.now)
		if err != nil {
			t.Fatal(err)
		}
		want := now
		if row.opens != "" {
			if want, err = time.Parse(time.RFC3339, row.opens); err != nil {
				t.Fatal(err)
			}
		}
		w := window(t, row.days, row.from, row.to, row.zone)
		if got, ok := calendar.Next([]calendar.Window{w}, "", now); !ok || !got.Equal(want) {
			t.Errorf("%s: %s at %s: opens %s, want %s", name, w, row.now, got.UTC().Format(time.RFC3339), want.Format(time.RFC3339))
		}
	}
}

// TestTheNextOpeningIsTheFirst compares Next, minute by minute, with what a clock in the zone
// shows.
func TestTheNextOpeningIsTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Africa/Cairo"}).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		minutes := func(what string) time.Duration {
			return time.Duration(rapid.IntRange(0, 24*60-1).Draw(t, what)) * time.Minute
		}
		w := calendar.Window{Days: calendar.Days(rapid.IntRange(0, 127).Draw(t, "days")), From: minutes("from"), To: minutes("to"), Zone: name}
		if w.From == w.To {
			t.Skip()
		}
		month := rapid.SampledFrom([]time.Month{time.March, time.April, time.October, time.November}).Draw(t, "month")
		now := time.Date(2026, month, 1, 0, rapid.IntRange(0, 30*24*60).Draw(t, "minute"), 0, 0, time.UTC)
		shows := func(at time.Time) bool {
			local := at.In(zone)
			since := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute
			today := w.Days == 0 || w.Days&(1<<local.Weekday()) != 0
			yesterday := w.Days == 0 || w.Days&(1<<((local.Weekday()+6)%7)) != 0
			if w.From < w.To {
				return today && since >= w.From && since < w.To
			}
			return today && since >= w.From || yesterday && since < w.To
		}
		got, _ := calendar.Next([]calendar.Window{w}, "", now)
		for at := now; at.Before(got); at = at.Add(time.Minute) {
			if shows(at) {
				t.Fatalf("%s from %s: opens %s, but it is open at %s", w, now, got, at.In(zone))
			}
		}
		if !shows(got) {
			t.Fatalf("%s from %s: not open at %s", w, now, got.In(zone))
		}
	})
}

func TestADeviceThatReportsNoZoneHasNoWindow(t *testing.T) {
	now := time.Date(2026, 6, 3, 2, 0, 0, 0, time.UTC)
	own := window(t, "daily", "01:00", "05:00", calendar.Device)
	if _, ok := calendar.Next([]calendar.Window{own}, "", now); ok {
		t.Error("open without a zone")
	}
	if _, ok := calendar.Next([]calendar.Window{own}, "Mars/Olympus", now); ok {
		t.Error("open in a zone that does not exist")
	}
	if at, ok := calendar.Next([]calendar.Window{own}, "Asia/Tokyo", now); !ok || !at.Equal(now.Add(14*time.Hour)) {
		t.Errorf("in Tokyo, where it is 11:00: %s, %t", at, ok)
	}
	if at, ok := calendar.Next([]calendar.Window{own, window(t, "daily", "03:00", "04:00", "UTC")}, "", now); !ok || !at.Equal(now.Add(time.Hour)) {
		t.Errorf("with a window in UTC too: %s, %t", at, ok)
	}
	if at, ok := calendar.Next(nil, "", now); !ok || !at.Equal(now) {
		t.Error("without windows it is not open")
	}
}

func TestDaysAreReadAndSpelled(t *testing.T) {
	for text, want := range map[string]string{
		"": "daily", "daily": "daily", "mon-sun": "daily", "mon-fri": "mon-fri", "Sat, Sun": "sat,sun", "fri-mon": "mon,fri-sun", "wed": "wed", "mon,tue": "mon,tue",
	} {
		if days, err := calendar.ParseDays(text); err != nil || days.String() != want {
			t.Errorf("%q: got %s, %v; want %s", text, days, err, want)
		}
	}
	for _, text := range []string{"mo", "mon-", "-", "mon..fri", "weekdays", ","} {
		if _, err := calendar.ParseDays(text); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
	for _, text := range []string{"", "1", "01:5", "24:01", "25:00", "12:60", "noon", "-1:00"} {
		if _, err := calendar.ParseClock(text); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
	for name, w := range map[string]calendar.Window{
		"empty": {From: time.Hour, To: time.Hour, Zone: "UTC"}, "no zone": {To: time.Hour}, "unknown zone": {To: time.Hour, Zone: "CEST"},
		"the machine's zone": {To: time.Hour, Zone: "Local"}, "too late": {To: 25 * time.Hour, Zone: "UTC"}, "seconds": {To: time.Second, Zone: "UTC"},
	} {
		if w.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
