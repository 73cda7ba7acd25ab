//nolint:forbidigo // all sleeps are in synctest bubbles
package handshake

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// helloOf is a Hello that a device said in a boot.
func helloOf(boot uint64, version uint32) wire.Hello {
	h := hello(version)
	h.Boot = boot
	return h
}

func TestAHelloOfAnEarlierBootChangesNothing(t *testing.T) {
	for _, row := range []struct {
		name  string
		boots []uint64 // of the Hellos before, oldest first
		boot  uint64
		stale bool
	}{
		{"of the boot before", []uint64{7, 8}, 7, true},
		{"of the boot before, on the first Hello of a connection", []uint64{7, 8, 8}, 7, true},
		{"of four boots before", []uint64{4, 5, 6, 7, 8}, 4, true},
		{"of a boot that is forgotten", []uint64{3, 4, 5, 6, 7, 8}, 3, false},
		{"of this boot", []uint64{7, 8}, 8, false},
		{"of a new boot", []uint64{7, 8}, 9, false},
		{"without a nonce", []uint64{7, 8}, 0, false},
		{"of the boot before firmware without nonces", []uint64{7, 0}, 7, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newMemory(fleet.Device{ID: "a"})
			s := New(Config{}, m, m)
			for _, boot := range row.boots {
				if _, err := Greet(t.Context(), s, admit(t, s, "a"), helloOf(boot, 2), nothing); err != nil {
					t.Fatal(err)
				}
			}
			before, saves := m.devices["a"], m.saves
			session := admit(t, s, "a")
			_, err := Greet(t.Context(), s, session, helloOf(row.boot, 1), nothing)
			if !row.stale {
				if err != nil || m.devices["a"].Boot != row.boot || m.devices["a"].Earlier.Has(row.boot) {
					t.Errorf("got %v, boot %d after %v; want it accepted", err, m.devices["a"].Boot, m.devices["a"].Earlier)
				}
				return
			}
			after := m.devices["a"]
			if !errors.Is(err, ErrEarlierBoot) || m.saves != saves || after.Running != before.Running || after.Session != before.Session {
				t.Errorf("got %v, %d saves, running %s, session %d; want it rejected and nothing changed", err, m.saves-saves, after.Running, after.Session)
			}
			if _, err := Greet(t.Context(), s, session, helloOf(9, 3), nothing); err != nil || m.devices["a"].Running.String() != "3" {
				t.Errorf("the device's own Hello: got %v, running %s", err, m.devices["a"].Running)
			}
		})
	}
}

// A device with few random bits draws the nonce of an earlier boot again. It is not locked out.
func TestADeviceThatRepeatsAnEarlierNonceWhenAskedIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(fleet.Device{ID: "a", Boot: 8, Earlier: fleet.Boots{7}})
		s := New(Config{}, m, m)
		session := admit(t, s, "a")
		for _, row := range []struct {
			name  string
			after time.Duration
			stale bool
		}{
			{"the first", 0, true},
			{"another stored one right after it", 50 * time.Millisecond, true},
			{"the one that was asked for", EarlierAgain, false},
			{"and from then on", 0, false},
		} {
			time.Sleep(row.after)
			if _, err := Greet(t.Context(), s, session, helloOf(7, 1), nothing); errors.Is(err, ErrEarlierBoot) != row.stale {
				t.Errorf("%s: got %v", row.name, err)
			}
		}
		if d := m.devices["a"]; d.Boot != 7 || d.Earlier != (fleet.Boots{8}) {
			t.Errorf("got boot %d after %v, want 7 after 8", d.Boot, d.Earlier)
		}
	})
}
