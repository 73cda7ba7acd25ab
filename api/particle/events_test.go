package particle

import (
	"testing"

	"github.com/muster-iot/muster/event"
)

func TestWhichEventsAStreamSelects(t *testing.T) {
	device, group := event.Event{Payload: event.StatusChanged{}, Device: "a"}, event.Event{Payload: event.GroupChanged{}}
	marker := event.Event{Payload: event.Missed{}}
	for name, row := range map[string]struct {
		wanted wanted
		event  event.Event
		want   bool
	}{
		"everything":                  {wanted{}, group, true},
		"a prefix":                    {wanted{prefix: "spark/"}, device, true},
		"another prefix":              {wanted{prefix: "muster"}, device, false},
		"its device":                  {wanted{device: "a"}, device, true},
		"another device":              {wanted{device: "b"}, device, false},
		"devices, and a group's":      {wanted{devices: true}, group, false},
		"what was missed, in any way": {wanted{devices: true, prefix: "spark", device: "b"}, marker, true},
	} {
		if got := row.wanted.selects(row.event); got != row.want {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
}
