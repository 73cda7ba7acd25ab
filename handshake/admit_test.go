//nolint:forbidigo // all sleeps are in synctest bubbles
package handshake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

func TestAdmissionIsOneLoad(t *testing.T) {
	m := newMemory(fleet.Device{ID: "a"})
	s := New(Config{}, m, m)
	session := admit(t, s, "a")
	if m.loads != 1 || m.saves != 0 {
		t.Errorf("got %d loads and %d saves, want 1 and 0", m.loads, m.saves)
	}
	if session.ID() != "a" || session.Generation() != 0 {
		t.Errorf("got session %s generation %d, want a 0", session.ID(), session.Generation())
	}
}

func TestEveryMissingProofIsRefusedTheSameWay(t *testing.T) {
	for _, row := range []struct {
		name   string
		claim  Claim
		reason Refusal
	}{
		{"unknown id", claim("nobody"), UnknownDevice},
		{"wrong secret", Claim{ID: "a", User: "a", Secret: []byte("wrong")}, WrongSecret},
		{"no secret", Claim{ID: "a", User: "a"}, WrongSecret},
		{"secret over the limit", Claim{ID: "a", User: "a", Secret: []byte(strings.Repeat("x", MaxSecret+1))}, WrongSecret},
		{"user name is another's id", Claim{ID: "a", User: "b", Secret: []byte(secret)}, WrongName},
		{"user name missing", Claim{ID: "a", Secret: []byte(secret)}, WrongName},
		{"a BLE device has no connection", claim("ble"), NoLink},
		{"disabled, wrong secret", Claim{ID: "off", User: "off", Secret: []byte("wrong")}, WrongSecret},
		{"a device without a secret, empty password", Claim{ID: "bare", User: "bare"}, WrongSecret},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newMemory(fleet.Device{ID: "a"}, fleet.Device{ID: "ble", Kind: fleet.BLE}, fleet.Device{ID: "off", Disabled: true}, fleet.Device{ID: "bare"})
			m.edit("bare", func(d *fleet.Device) { d.Secret = fleet.Secret{} })
			s := New(Config{}, m, m)
			_, err := s.Admit(t.Context(), row.claim)
			if !errors.Is(err, fleet.Unauthenticated) || !strings.Contains(err.Error(), row.reason.String()) {
				t.Errorf("got %v, want unauthenticated, and %s for the log", err, row.reason)
			}
			if m.loads != 1 {
				t.Errorf("got %d loads, want 1", m.loads)
			}
			if n := s.Stats().Refused[row.reason]; n != 1 {
				t.Errorf("got %v, want one %s", s.Stats().Refused, row.reason)
			}
		})
	}
}

func TestDisabledIsReportedOnlyAfterAValidProof(t *testing.T) {
	m := newMemory(fleet.Device{ID: "off", Disabled: true})
	_, err := New(Config{}, m, m).Admit(t.Context(), claim("off"))
	if !errors.Is(err, fleet.Disabled) {
		t.Errorf("got %v, want disabled", err)
	}
}

func TestStoreFailureIsNotARefusal(t *testing.T) {
	s := New(Config{}, broken{}, newMemory())
	if _, err := s.Admit(t.Context(), claim("a")); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if n := s.byID.Keys(); n != 0 {
		t.Errorf("got %d ids with failures, want 0", n)
	}
}

type broken struct{ *memory }

func (broken) Device(context.Context, fleet.DeviceID) (fleet.Device, error) {
	return fleet.Device{}, fleet.Errorf(fleet.Unavailable, "the store does not answer")
}

func TestFailedProofsOfAnIDAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(fleet.Device{ID: "a"}, fleet.Device{ID: "b"})
		s := New(Config{FailedBurst: 3, FailedEvery: 10 * time.Second}, m, m)
		wrong := claim("a")
		wrong.Secret = []byte("wrong")
		for range 3 {
			_, _ = s.Admit(t.Context(), wrong)
		}
		if _, err := s.Admit(t.Context(), claim("a")); !errors.Is(err, fleet.Unauthenticated) {
			t.Errorf("right secret after 3 failures: got %v, want unauthenticated", err)
		}
		if s.Stats().Refused[Throttled] != 1 || m.loads != 3 {
			t.Errorf("got %v and %d loads, want one throttled and 3", s.Stats().Refused, m.loads)
		}
		admit(t, s, "b") // another device from the same address is not concerned
		time.Sleep(10 * time.Second)
		admit(t, s, "a")
	})
}

func TestFailedProofsFromAnAddressAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(fleet.Device{ID: "a"})
		s := New(Config{FailedBurst: 2, FailedEvery: 10 * time.Second}, m, m)
		for i := range 2 * addressFactor {
			_, _ = s.Admit(t.Context(), claim(fleet.DeviceID(fmt.Sprintf("guess-%d", i))))
		}
		if _, err := s.Admit(t.Context(), claim("a")); !errors.Is(err, fleet.Unauthenticated) {
			t.Errorf("from the same address: got %v, want unauthenticated", err)
		}
		elsewhere := claim("a")
		elsewhere.Address = "192.0.2.2"
		if _, err := s.Admit(t.Context(), elsewhere); err != nil {
			t.Errorf("from another address: got %v, want none", err)
		}
		time.Sleep(time.Second)
		admit(t, s, "a")
	})
}

func TestFailuresAreRememberedWithinABound(t *testing.T) {
	m := newMemory()
	s := New(Config{MaxTracked: 100}, m, m)
	for i := range 1000 {
		c := claim(fleet.DeviceID(fmt.Sprintf("guess-%d", i)))
		c.Address = fmt.Sprintf("192.0.2.%d", i)
		_, _ = s.Admit(t.Context(), c)
	}
	if ids, addresses := s.byID.Keys(), s.byAddress.Keys(); ids > 100 || addresses > 100 {
		t.Errorf("got %d ids and %d addresses, want at most 100 each", ids, addresses)
	}
}

func TestSaturatedAdmissionIsBusyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &slow{memory: newMemory(fleet.Device{ID: "a"}), gate: make(chan struct{})}
		s := New(Config{MaxAdmissions: 2}, m, m)
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := s.Admit(t.Context(), claim("a"))
				done <- err
			}()
		}
		synctest.Wait()
		if _, err := s.Admit(t.Context(), claim("a")); !errors.Is(err, fleet.Busy) {
			t.Errorf("got %v, want busy", err)
		}
		close(m.gate)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		admit(t, s, "a")
	})
}

type slow struct {
	*memory
	gate chan struct{}
}

func (m *slow) Device(ctx context.Context, id fleet.DeviceID) (fleet.Device, error) {
	<-m.gate
	return m.memory.Device(ctx, id)
}
