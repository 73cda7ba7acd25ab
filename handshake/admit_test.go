//nolint:forbidigo // all sleeps are in synctest bubbles
package handshake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
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

func (broken) Namesakes(context.Context, fleet.DeviceID) ([]fleet.Device, error) {
	return nil, fleet.Errorf(fleet.Unavailable, "the store does not answer")
}

// wrong is a claim of id with a wrong secret.
func wrong(id fleet.DeviceID) Claim {
	c := claim(id)
	c.Secret = []byte("wrong")
	return c
}

func TestTheRightSecretIsAdmittedWhateverFailedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock stands still: no debt is paid off
		var log bytes.Buffer
		m := newMemory(fleet.Device{ID: "a"})
		s := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, m, m)
		refuse := func(c Claim, want Refusal) {
			t.Helper()
			if _, err := s.Admit(t.Context(), c); !errors.Is(err, fleet.Unauthenticated) || !strings.Contains(err.Error(), want.String()) {
				t.Fatalf("got %v, want unauthenticated and %s", err, want)
			}
		}
		for range 10 {
			refuse(wrong("a"), WrongSecret)
		}
		admit(t, s, "a")
		refuse(wrong("a"), Throttled)
		if !strings.Contains(log.String(), "address=192.0.2.1 device=a") {
			t.Errorf("the log has no address and id of the guesses:\n%s", log.String())
		}
		for i := range 200 {
			_, _ = s.Admit(t.Context(), claim(fleet.DeviceID(fmt.Sprintf("guess-%d", i))))
		}
		refuse(claim("nobody"), Throttled)
		admit(t, s, "a")
		if n := strings.Count(log.String(), "\n"); n > 5 {
			t.Errorf("%d log lines at once, want at most 5", n)
		}
	})
}

func TestGuessesRaiseOneAlertWithTheAddressAndTheIds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(fleet.Device{ID: "a"}, fleet.Device{ID: "b"})
		var alerts []Guess
		s := New(Config{FailedBurst: 3, Guessed: func(g Guess) { alerts = append(alerts, g) }}, m, m)
		guess := func(id fleet.DeviceID, times int) {
			for range times {
				_, _ = s.Admit(t.Context(), wrong(id))
			}
		}
		guess("b", 1)
		guess("a", 3)
		guess("nobody", 9)
		if len(alerts) > 0 {
			t.Fatalf("got %v before anything is throttled", alerts)
		}
		guess("a", 100)
		if len(alerts) != 1 || alerts[0].Address != "192.0.2.1" || fmt.Sprint(alerts[0].Devices) != "[b a]" || alerts[0].Device.ID != "a" {
			t.Fatalf("got %v, want one alert about a, with b and a from 192.0.2.1", alerts)
		}
		time.Sleep(guessInterval)
		guess("b", 10)
		if len(alerts) != 2 {
			t.Errorf("got %d alerts, want another one after %s", len(alerts), guessInterval)
		}
		for i := range 3 * guessAlerts { // from many addresses
			c := wrong("b")
			c.Address = fmt.Sprintf("198.51.100.%d", i)
			_, _ = s.Admit(t.Context(), c)
		}
		if len(alerts) > 2+guessAlerts {
			t.Errorf("got %d alerts, want at most %d", len(alerts), 2+guessAlerts)
		}
	})
}

func TestGuessesAreRememberedInBoundedMemory(t *testing.T) {
	g := newGuesses()
	for i := range 2 * maxGuesses {
		g.add(&fleet.Device{ID: "a", Team: fleet.TeamID(i)}, "192.0.2.1", false)
	}
	if len(g.from) > maxGuesses {
		t.Errorf("got %d origins, want at most %d", len(g.from), maxGuesses)
	}
}

func TestFailedProofsAreThrottledUntilTheirDebtIsPaid(t *testing.T) {
	elsewhere := func(c Claim) Claim { c.Address = "192.0.2.2"; return c }
	for _, row := range []struct {
		name     string
		failed   int
		from     func(i int) Claim
		last     Claim
		throttle bool
	}{
		{"an id below its limit", 2, func(int) Claim { return wrong("a") }, wrong("a"), false},
		{"an id", 3, func(int) Claim { return wrong("a") }, wrong("a"), true},
		{"an id from another address", 3, func(int) Claim { return wrong("a") }, elsewhere(wrong("a")), true},
		{"another id", 3, func(int) Claim { return wrong("a") }, wrong("b"), false},
		{"an address", 3 * addressFactor, func(i int) Claim { return wrong(fleet.DeviceID(fmt.Sprintf("guess-%d", i))) }, wrong("b"), true},
		{"another address", 3 * addressFactor, func(i int) Claim { return wrong(fleet.DeviceID(fmt.Sprintf("guess-%d", i))) }, elsewhere(wrong("b")), false},
		{"the same IPv6 /64", 3 * addressFactor, func(i int) Claim {
			c := wrong(fleet.DeviceID(fmt.Sprintf("guess-%d", i)))
			c.Address = fmt.Sprintf("2001:db8::%x", i)
			return c
		}, Claim{ID: "b", User: "b", Address: "2001:db8::ffff:1"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(fleet.Device{ID: "a"}, fleet.Device{ID: "b"})
				s := New(Config{FailedBurst: 3, FailedEvery: 10 * time.Second}, m, m)
				for i := range row.failed {
					_, _ = s.Admit(t.Context(), row.from(i))
				}
				_, _ = s.Admit(t.Context(), row.last)
				if got := s.Stats().Refused[Throttled] == 1; got != row.throttle {
					t.Errorf("got %v, want throttled %t", s.Stats().Refused, row.throttle)
				}
				time.Sleep(10 * time.Second)
				before := s.Stats().Refused[Throttled]
				_, _ = s.Admit(t.Context(), row.last)
				if s.Stats().Refused[Throttled] != before {
					t.Error("still throttled after its debt was paid")
				}
			})
		})
	}
}

// Guesses wait for each other, not the devices of others.
func TestThrottledPeersShareFewAdmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &slow{memory: newMemory(fleet.Device{ID: "a"}), gate: make(chan struct{})}
		s := New(Config{MaxAdmissions: maxSuspects + 1}, m, m)
		for range 10 {
			s.charge(wrong("guessed"))
		}
		var all sync.WaitGroup
		for range 3 * maxSuspects {
			all.Go(func() { _, _ = s.Admit(t.Context(), wrong("guessed")) })
		}
		all.Go(func() {
			if _, err := s.Admit(t.Context(), claim("a")); err != nil {
				t.Errorf("another device: got %v, want it admitted", err)
			}
		})
		synctest.Wait()
		close(m.gate)
		all.Wait()
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

func (m *slow) Namesakes(ctx context.Context, id fleet.DeviceID) ([]fleet.Device, error) {
	<-m.gate
	return m.memory.Namesakes(ctx, id)
}
