package store

import (
	"errors"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

// FuzzCursors gives every list a cursor that may never have been one: it is taken or it is
// the client's fault.
func FuzzCursors(f *testing.F) {
	s, err := Ephemeral(f.Context(), Options{Log: quiet()})
	opened(f, s, err)
	must(f, s.Devices.Create(f.Context(), newDevice("a")))
	for _, seed := range []string{"", "AA", "5-0", "18446744073709551615-18446744073709551615", "-", "+", "00000000001-a", "a\x00", "\xff", "(", "[x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, after string) {
		for list, read := range map[string]func() error{
			"devices": func() error {
				_, err := s.Index.Find(fleet.DeviceQuery{Actor: fleet.Actor{Team: 1, Role: fleet.Owner}, After: after, Limit: 5})
				return err
			},
			"messages": func() error {
				_, _, err := s.Messages.List(t.Context(), fleet.MessageQuery{Team: 1, After: after, Limit: 5})
				return err
			},
			"alerts": func() error {
				_, _, err := s.Messages.Alerts(t.Context(), 1, "", false, after, 5)
				return err
			},
			"audit": func() error {
				_, _, err := s.Messages.AuditLog(t.Context(), 1, after, 5)
				return err
			},
		} {
			if err := read(); err != nil && !errors.Is(err, fleet.Invalid) {
				t.Fatalf("%s after %q: %v", list, after, err)
			}
		}
	})
}
