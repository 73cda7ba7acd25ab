package rest_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/fleet"
)

func TestThePastIsAnsweredByRange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.past.Record(t.Context())
	for _, row := range []struct {
		name   string
		filter api.PastFilter
		points int
	}{
		{"the last hour", api.PastFilter{}, 1}, {"30 days", api.PastFilter{Range: 30 * 24 * time.Hour}, 1},
		{"before there was any", api.PastFilter{To: time.Now().Add(-time.Hour)}, 0},
	} {
		past := must[api.Past](t)(w.Past(t.Context(), "lamp", row.filter))
		if len(past.Points) != row.points || row.points > 0 && past.Points[0].Devices == 0 {
			t.Errorf("%s: got %+v", row.name, past)
		}
	}
	if team := must[api.Past](t)(w.TeamPast(t.Context(), api.PastFilter{})); len(team.Points) != 1 || team.Points[0].Versions != nil {
		t.Errorf("the team: got %+v", team)
	}
	if eu := must[api.Past](t)(w.GroupPast(t.Context(), "lamp", "eu", api.PastFilter{})); len(eu.Points) != 1 || eu.Points[0].Devices != 1 || eu.LeftOut {
		t.Errorf("the group eu, which has lamp-7: got %+v", eu)
	}
	if _, err := w.GroupPast(t.Context(), "lamp", "nowhere", api.PastFilter{}); !errors.Is(err, fleet.NotFound) {
		t.Errorf("an unknown group: %v", err)
	}
	for _, query := range []string{"range=soon", "range=0h", "range=-1h", "step=1", "to=yesterday", "range=2y&step=10s&x=1"} {
		if status, answer := w.do(http.MethodGet, "/v1/products/lamp/history?"+query, "", ""); status < 400 || status >= 500 {
			t.Errorf("%s: got %d %s", query, status, answer)
		}
	}
	if _, err := w.BurnDown(t.Context(), "lamp", 99); !errors.Is(err, fleet.NotFound) {
		t.Errorf("an unknown release: %v", err)
	}
}
