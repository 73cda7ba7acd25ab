package quota

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-iot/muster/fleet"
)

func TestAGreedyTeamMakesRoomForOneBelowItsShare(t *testing.T) {
	p := newPlaces(Limit{Name: "streams", Unit: "streams"}, 10, 0)
	lost := 0
	for range 10 {
		if _, err := p.Take(1, "greedy", func() { lost++ }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Take(1, "greedy", nil); !errors.Is(err, fleet.Busy) {
		t.Errorf("an eleventh: got %v, want busy", err)
	}
	for i := range 5 {
		if _, err := p.Take(2, "modest", func() { t.Error("a team within its share lost a place") }); err != nil {
			t.Errorf("place %d of 5, the share of the other team: %v", i+1, err)
		}
	}
	if _, err := p.Take(2, "modest", nil); !errors.Is(err, fleet.Busy) {
		t.Errorf("beyond its share: got %v, want busy", err)
	}
	if _, err := p.Take(1, "greedy", nil); !errors.Is(err, fleet.Busy) {
		t.Errorf("the greedy team, with its share: got %v, want busy", err)
	}
	if lost != 5 || p.used(1) != 5 || p.used(2) != 5 {
		t.Errorf("%d lost, %d and %d held; want 5 each", lost, p.used(1), p.used(2))
	}
}

func TestQuotasSayWhichTheLimitAndWhatToDo(t *testing.T) {
	p := newPlaces(Limit{"streams", "event streams", 3, "close some"}, 100, 2)
	for i, row := range []struct{ user, want string }{
		{"a", ""}, {"a", ""}, {"a", "quota user_streams: you have 2 of at most 2 event streams: close some"},
		{"b", ""}, {"b", "quota streams: your team has 3 of at most 3 event streams: close some"},
	} {
		_, err := p.Take(1, row.user, func() {})
		var e *fleet.Error
		switch {
		case row.want == "" && err != nil:
			t.Errorf("place %d: %v", i, err)
		case row.want != "" && (!errors.As(err, &e) || e.Code != Code || e.Kind != fleet.Busy || e.Text != row.want):
			t.Errorf("place %d: got %v, want %s", i, err, row.want)
		}
	}
	if _, err := p.Take(2, "a", func() {}); err != nil {
		t.Errorf("another team: %v", err)
	}
}

func TestADeviceThatConnectsAgainIsNotOverItsOwnQuota(t *testing.T) {
	p := newPlaces(Limit{Name: "connections", Most: 1}, 1, 0)
	older, err := p.Renew(1, "lamp", func() {})
	if err != nil {
		t.Fatal(err)
	}
	newer, err := p.Renew(1, "lamp", func() {})
	if err != nil {
		t.Fatalf("while its older connection ends: %v", err)
	}
	if _, err := p.Renew(1, "other", func() {}); !errors.Is(err, fleet.Busy) {
		t.Errorf("another device: got %v, want busy", err)
	}
	older.Leave()
	older.Leave()
	newer.Leave()
	if p.taken != 0 || len(p.teams) != 0 || len(p.users) != 0 {
		t.Errorf("%d places, %d teams, %d users remain", p.taken, len(p.teams), len(p.users))
	}
}

func TestWithoutPlacesThereIsNoLimit(t *testing.T) {
	var p *Places
	place, err := p.Take(1, "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	place.Leave()
}

// Whatever teams do, the counts are right, no more places are taken than there are, and a team
// below its share gets one.
func TestCountsOfPlacesStayRight(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(rt, "most")
		p := newPlaces(Limit{Name: "x", Most: int64(rapid.IntRange(0, 6).Draw(rt, "team"))}, most, 0)
		held := map[*Place]bool{}
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			team := fleet.TeamID(rapid.IntRange(1, 3).Draw(rt, "team"))
			if len(held) > 0 && rapid.Bool().Draw(rt, "leave") {
				for place := range held {
					place.Leave()
					delete(held, place)
					break
				}
				continue
			}
			before, share := int(p.used(team)), p.shareOf(team)
			var place *Place
			place, err := p.Take(team, "", func() {})
			switch {
			case err == nil:
				held[place] = true
			case before < share && !strings.Contains(err.Error(), "quota x"):
				rt.Fatalf("team %d has %d, its share is %d: %v", team, before, share, err)
			}
			for place := range held {
				if place.at == nil {
					delete(held, place)
				}
			}
			counts := map[fleet.TeamID]int{}
			for place := range held {
				counts[place.by.team]++
			}
			got := map[fleet.TeamID]int{}
			for team, places := range p.teams {
				got[team] = places.Len()
			}
			if p.taken != len(held) || p.taken > most || fmt.Sprint(got) != fmt.Sprint(counts) {
				rt.Fatalf("%d of %d taken, by team %v; want %d, %v", p.taken, most, got, len(held), counts)
			}
		}
	})
}
