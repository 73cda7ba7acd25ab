//nolint:forbidigo // all sleeps are in synctest bubbles
package limit

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestABurstIsAllowedThenOnePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New[string](3, time.Minute, 10)
		take := func(want ...bool) {
			t.Helper()
			for i, want := range want {
				if got := l.Take("a"); got != want {
					t.Errorf("take %d: got %t, want %t", i+1, got, want)
				}
			}
		}
		take(true, true, true, false, false)
		if !l.Take("b") {
			t.Error("another key: got none left, want its own burst")
		}
		time.Sleep(time.Minute)
		take(true, false)
		l.Refund("a")
		take(true, false)
		time.Sleep(time.Hour)
		take(true, true, true, false)
	})
}

func TestAChargeAddsDebtBeyondTheBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New[string](2, time.Minute, 10)
		for range 4 {
			l.Charge("a")
		}
		for _, row := range []struct {
			after time.Duration
			want  bool
		}{{0, true}, {2 * time.Minute, true}, {time.Minute, false}} {
			time.Sleep(row.after)
			if got := l.Exhausted("a"); got != row.want {
				t.Errorf("after another %s: exhausted %t, want %t", row.after, got, row.want)
			}
		}
	})
}

func TestWhatIsUsedUpAndHowLongToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New[string](2, time.Minute, 10)
		for i, row := range []struct {
			used int
			wait time.Duration
		}{{0, 0}, {1, 0}, {2, time.Minute}, {3, 2 * time.Minute}} {
			if used, wait := l.Used("a"), l.Wait("a"); used != row.used || wait != row.wait {
				t.Errorf("after %d events: %d used, %s to wait; want %d and %s", i, used, wait, row.used, row.wait)
			}
			l.Charge("a")
		}
		time.Sleep(90 * time.Second) // of 4 minutes
		if used, wait := l.Used("a"), l.Wait("a"); used != 3 || wait != 90*time.Second {
			t.Errorf("later: %d used, %s to wait", used, wait)
		}
	})
}

func TestAReservationWaitsForItsEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New[string](2, time.Minute, 10)
		for i, row := range []struct {
			wait time.Duration
			ok   bool
		}{{0, true}, {0, true}, {time.Minute, true}, {2 * time.Minute, true}, {3 * time.Minute, false}, {3 * time.Minute, false}} {
			if wait, ok := l.Reserve("a", 2*time.Minute); wait != row.wait || ok != row.ok {
				t.Errorf("reservation %d: got %s, %t; want %s, %t", i+1, wait, ok, row.wait, row.ok)
			}
		}
		time.Sleep(time.Minute)
		if wait, ok := l.Reserve("a", 2*time.Minute); wait != 2*time.Minute || !ok {
			t.Errorf("a minute later: got %s, %t", wait, ok)
		}
	})
}

func TestAMeterIsALimiterForOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		l := New[int](3, time.Minute, 1)
		for i := range 20 {
			if got, want := m.Take(3, time.Minute), l.Take(0); got != want {
				t.Errorf("take %d: got %t, want %t", i+1, got, want)
			}
			time.Sleep(time.Duration(i%4) * 15 * time.Second)
		}
	})
}

func TestARefundOfAForgottenKeyIsNoCredit(t *testing.T) {
	l := New[string](1, time.Hour, 1)
	l.Take("a")
	l.Take("b") // forgets a
	l.Refund("a")
	if !l.Take("a") || l.Take("a") {
		t.Error("got a burst of more or less than 1 after the refund")
	}
}

func TestKeysRememberedAreBounded(t *testing.T) {
	const most = 100
	l := New[int](1, time.Hour, most)
	for key := range 10 * most {
		l.Charge(key)
		if n := l.Keys(); n > most {
			t.Fatalf("got %d keys, want at most %d", n, most)
		}
	}
}

// An attacker who tries many keys must not make the limiter forget the key with much debt.
func TestTheKeyWithTheLeastDebtIsForgottenFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New[int](3, time.Hour, 2)
		for range 3 {
			l.Charge(0)
		}
		for key := 1; key < 100; key++ {
			l.Charge(key)
		}
		if !l.Exhausted(0) {
			t.Error("the exhausted key was forgotten")
		}
	})
}
