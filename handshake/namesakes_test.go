package handshake

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// ofTeams returns a memory with one device a in each of the teams 1 to n, oldest first, each with a
// secret of its own.
func ofTeams(n int) *memory {
	m := newMemory()
	for team := range fleet.TeamID(n + 1) {
		if team == 0 {
			continue
		}
		d := fleet.Device{ID: fleet.DeviceID("a").In(team), Team: team, Product: 1, Revision: 1, Created: time.Unix(int64(team), 0)}
		d.Secret = sha256.Sum256([]byte(secretOf(team)))
		m.devices[d.ID] = d
	}
	return m
}

func secretOf(team fleet.TeamID) string {
	return fmt.Sprintf("the secret of the device of team %d", team)
}

// docs/protocol.md, "Credentials".
func TestTheSecretDecidesWhichOfTheDevicesWithAnIDConnects(t *testing.T) {
	for _, row := range []struct {
		user   string
		secret fleet.TeamID // whose secret it is
		admits fleet.TeamID // 0: refused
	}{
		{"a", 1, 1},
		{"a", 2, 2},
		{"a", 4, 4},
		{"a", 5, 0}, // four older devices have the id
		{"a@5", 5, 5},
		{"a@1", 1, 1},
		{"a@1", 2, 0}, // the secret of another team's device
		{"a@6", 1, 0}, // no such device
		{"a@", 1, 0},
		{"a@0", 1, 0},
		{"a@x", 1, 0},
		{"a@4294967297", 1, 0},
		{"b@1", 1, 0},
	} {
		t.Run(fmt.Sprintf("%s with the secret of team %d", row.user, row.secret), func(t *testing.T) {
			m := ofTeams(5)
			got, err := New(Config{}, m, m).Admit(t.Context(), Claim{ID: "a", User: row.user, Secret: []byte(secretOf(row.secret))})
			if m.loads != 1 {
				t.Errorf("got %d loads, want 1", m.loads)
			}
			if row.admits == 0 {
				if !errors.Is(err, fleet.Unauthenticated) || strings.Contains(err.Error(), "team") {
					t.Errorf("got %v, want unauthenticated", err)
				}
				return
			}
			if err != nil || got.ID() != fleet.DeviceID("a").In(row.admits) || got.Team() != row.admits {
				t.Errorf("got %v, %v, want the device of team %s", got, err, row.admits)
			}
		})
	}
}

func TestOfTwoDevicesWithOneSecretTheOlderConnects(t *testing.T) {
	m := ofTeams(2)
	m.edit("2/a", func(d *fleet.Device) { d.Secret = sha256.Sum256([]byte(secretOf(1))) })
	for user, want := range map[string]fleet.TeamID{"a": 1, "a@2": 2} {
		got, err := New(Config{}, m, m).Admit(t.Context(), Claim{ID: "a", User: user, Secret: []byte(secretOf(1))})
		if err != nil || got.Team() != want {
			t.Errorf("%s: got %v, %v, want that of team %s", user, got, err, want)
		}
	}
}
