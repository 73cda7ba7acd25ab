package pace_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/pace"
	"github.com/muster-iot/muster/ota/precedence"
)

var (
	key = pace.Key{Product: 1, Release: 2}
	now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
)

func lamp(n int, groups ...fleet.GroupID) pace.Device {
	return pace.Device{ID: fleet.DeviceID(fmt.Sprint("lamp-", n)), Groups: groups}
}

// begin has n devices, from number from on, ask for places at a time, and returns how many got one
// and began.
func begin(p *pace.Pace, limits fleet.ReleaseLimits, from, n int, at time.Time, groups ...fleet.GroupID) (begun int, last precedence.Full) {
	for i := range n {
		d := lamp(from+i, groups...)
		if last = p.Take(key, limits, d, at); last.Limit == "" {
			p.Began(d.ID)
			begun++
		}
	}
	return begun, last
}

func TestNothingBeginsBeforeDevicesWereCounted(t *testing.T) {
	p := pace.New()
	if full := p.Take(key, fleet.ReleaseLimits{AtOnce: 5}, lamp(1), now); full.Limit != precedence.LimitUnknown || full.Again <= 0 {
		t.Errorf("got %+v", full)
	}
	if full := p.Take(key, fleet.ReleaseLimits{}, lamp(1), now); full.Limit != "" {
		t.Errorf("without limits: got %+v", full)
	}
}

// TestALimitAtOnceIsNeverExceeded has devices ask between two counts, and a count that was made
// while some of them began.
func TestALimitAtOnceIsNeverExceeded(t *testing.T) {
	limits := fleet.ReleaseLimits{AtOnce: 10}
	p := pace.New()
	p.Set(key, pace.Standing{UnderWay: 4, Waiting: 100}, p.Mark(), now)
	begun, full := begin(p, limits, 0, 20, now)
	if begun != 6 || full.Limit != precedence.LimitAtOnce || full.Count != 10 || full.Of != 10 || full.Again != 100*time.Second {
		t.Errorf("%d began; then %+v", begun, full)
	}
	if full := p.Take(key, limits, lamp(3), now); full.Limit != "" {
		t.Errorf("a device that has a place: %+v", full)
	}
	mark := p.Mark()
	p.Set(key, pace.Standing{UnderWay: 9}, mark, now) // one has ended
	if begun, _ := begin(p, limits, 30, 5, now); begun != 1 {
		t.Errorf("after one ended %d began", begun)
	}
	p.Set(key, pace.Standing{UnderWay: 8}, mark, now) // counted before that one began
	if begun, _ := begin(p, limits, 40, 5, now); begun != 1 {
		t.Errorf("%d began after a count that one of them is not in", begun)
	}
}

func TestAPlaceThatIsNotUsedIsFreeAgain(t *testing.T) {
	limits := fleet.ReleaseLimits{AtOnce: 1}
	p := pace.New()
	p.Set(key, pace.Standing{}, p.Mark(), now)
	take := func(n int, at time.Time) bool { return p.Take(key, limits, lamp(n), at).Limit == "" }
	if !take(1, now) || take(2, now) {
		t.Fatal("one place was given to none, or to two")
	}
	p.Drop("lamp-1")
	if !take(2, now) {
		t.Error("a place that was given back is not free")
	}
	p.Set(key, pace.Standing{}, p.Mark(), now.Add(29*time.Second)) // it may still begin
	if take(3, now.Add(29*time.Second)) {
		t.Error("a place is free that a device has just got")
	}
	p.Set(key, pace.Standing{}, p.Mark(), now.Add(30*time.Second))
	if !take(3, now.Add(30*time.Second)) {
		t.Error("a place is kept for a device that does not begin")
	}
	p.Forget(key)
	if full := p.Look(key, limits, lamp(4), now); full.Limit != precedence.LimitUnknown {
		t.Errorf("a forgotten release: %+v", full)
	}
}

func TestARateIsKeptOverAnHour(t *testing.T) {
	for _, hourly := range []int{6, 600, 36_000} {
		limits := fleet.ReleaseLimits{Hourly: hourly}
		p := pace.New()
		p.Set(key, pace.Standing{Waiting: 1_000_000}, p.Mark(), now)
		begun := 0
		for second := range 3600 {
			n, full := begin(p, limits, 1000*second, hourly/3600+2, now.Add(time.Duration(second)*time.Second))
			begun += n
			if full.Limit != precedence.LimitHourly || full.Again != time.Hour {
				t.Fatalf("%d an hour: got %+v", hourly, full)
			}
		}
		if begun < hourly*99/100 || begun > hourly+max(2, hourly/3600) {
			t.Errorf("%d an hour: %d began", hourly, begun)
		}
	}
}

func TestAGroupKeepsDevicesInService(t *testing.T) {
	limits := fleet.ReleaseLimits{Group: 1000}
	p := pace.New()
	p.Set(key, pace.Standing{Groups: map[fleet.GroupID]pace.Members{1: {Present: 59, Busy: 3}, 2: {Present: 4}, 3: {Present: 100, Busy: 10}}}, p.Mark(), now)
	for _, row := range []struct {
		name   string
		groups []fleet.GroupID
		want   int
	}{
		{"a tenth of 59, less 3", []fleet.GroupID{1}, 2},
		{"at least one", []fleet.GroupID{2}, 1},
		{"another release's updates count", []fleet.GroupID{3}, 0},
		{"the fullest of its groups decides", []fleet.GroupID{1, 4}, 0},
		{"in no group", nil, 9},
	} {
		if begun, _ := begin(p, limits, 100*len(row.name), 9, now, row.groups...); begun != row.want {
			t.Errorf("%s: %d began, want %d", row.name, begun, row.want)
		}
	}
}

func TestALimitPerGatewayCountsWhatIsBehindIt(t *testing.T) {
	limits := fleet.ReleaseLimits{Behind: 2}
	p := pace.New()
	p.Set(key, pace.Standing{Behind: map[fleet.DeviceID]int{"g1": 1}}, p.Mark(), now)
	ask := func(n int, gateway fleet.DeviceID) precedence.Full {
		d := lamp(n)
		d.Gateway = gateway
		return p.Take(key, limits, d, now)
	}
	for n, row := range []struct {
		gateway fleet.DeviceID
		limit   string
	}{
		{"g1", ""}, {"g1", precedence.LimitGateway}, {"g2", ""}, {"g2", ""}, {"g2", precedence.LimitGateway}, {"", ""}, {"", ""}, {"", ""},
	} {
		if full := ask(n, row.gateway); full.Limit != row.limit || row.limit != "" && (full.Count != 2 || full.Of != 2 || full.Again <= 0) {
			t.Errorf("device %d behind %q: got %+v, want %q", n, row.gateway, full, row.limit)
		}
	}
	p.Drop(lamp(2).ID)
	if full := ask(9, "g2"); full.Limit != "" {
		t.Errorf("a place behind g2 is free: got %+v", full)
	}
}

func TestARateThatHasGrownIsTheStandings(t *testing.T) {
	limits := fleet.ReleaseLimits{Hourly: 3600, Most: 36000}
	p := pace.New()
	p.Set(key, pace.Standing{Waiting: 1000, Hourly: 36000}, p.Mark(), now)
	begin(p, limits, 0, 5, now)
	if begun, full := begin(p, limits, 10, 100, now.Add(time.Second)); begun != 10 || full.Of != 36000 {
		t.Errorf("%d began in a second, then %+v; want 10", begun, full)
	}
}
