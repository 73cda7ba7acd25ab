//nolint:forbidigo // all sleeps are in synctest bubbles
package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// takeCore takes the strangers' only core until free is called.
func (w *world) takeCore() (free func()) {
	w.t.Helper()
	leave := must[func(bool)](w.t)(w.hasher.strangers.enter(w.t.Context(), prover{address: "203.0.113.77", account: "nobody"}))
	return func() { leave(false) }
}

// from signs the owner in from an address.
func (w *world) from(address, password string) error {
	_, _, err := w.SignIn(w.t.Context(), fleet.SignIn{Email: boss.Email, Password: password, Address: address})
	return err
}

// crowd has strangers guess the owner's password all the time, 60 at once, until end is called
// and they have stopped. Each attempt takes a core for as long as a real hash does.
func (w *world) crowd(address func(guess int) string) (end func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var strangers sync.WaitGroup
	for i := range 60 {
		strangers.Go(func() {
			for n := i; ctx.Err() == nil; n += 60 {
				leave, err := w.hasher.strangers.enter(ctx, prover{address: address(n), account: boss.Email})
				if err == nil {
					time.Sleep(30 * time.Millisecond)
					leave(true)
				}
				time.Sleep(200 * time.Millisecond)
			}
		})
	}
	return func() { cancel(); strangers.Wait() }
}

func TestTheOwnerGetsInWithinSecondsFromANewBrowserWhoeverGuesses(t *testing.T) {
	for _, row := range []struct {
		name    string
		address func(guess int) string
		within  time.Duration
		home    bool // the owner is where they have signed in before
	}{
		{"from one address", func(int) string { return "192.0.2.66" }, 2 * time.Second, false},
		{"from one /64, each time from another address", func(n int) string { return fmt.Sprintf("2001:db8:bad::%x", n%65536) }, 2 * time.Second, false},
		{"from another address of the owner's /64", func(int) string { return "2001:db8:0:1::bad" }, 10 * time.Second, false},
		{"from 60 addresses of the owner's /64", func(n int) string { return fmt.Sprintf("2001:db8:0:1::%x", n%60) }, 10 * time.Second, false},
		{"from 60 addresses", func(n int) string { return fmt.Sprintf("192.0.%d.66", n%60) }, 2 * time.Second, false},
		{"from 65,536 networks of one site", func(n int) string { return fmt.Sprintf("2001:db8:bad:%x::1", n%65536) }, 2 * time.Second, false},
		{"from 20,000 addresses, while the owner is at home", func(n int) string { return fmt.Sprintf("10.%d.%d.1", n%20_000/250, n%250) }, 2 * time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settledInBubble(t)
				if row.home {
					if err := w.from("2001:db8:0:2::1", password); err != nil { // with another browser
						t.Fatal(err)
					}
				}
				end := w.crowd(row.address)
				defer end()
				for round, pause := range []time.Duration{time.Second, 12 * time.Second} {
					time.Sleep(pause)
					begun := time.Now()
					err := w.from("2001:db8:0:1::ffff", password)
					if took := time.Since(begun); err != nil || took > row.within {
						t.Errorf("sign-in %d: after %s %v, want the owner in within %s", round+1, took, err, row.within)
					}
				}
			})
		})
	}
}

func TestGuessesAreBoundedHoweverManyAddressesTheyComeFrom(t *testing.T) {
	for _, row := range []struct {
		name    string
		address func(guess int) string
		most    int // verified in four minutes
	}{
		{"one address", func(int) string { return "192.0.2.66" }, 10 + 24},
		{"one /64", func(n int) string { return fmt.Sprintf("2001:db8:bad::%x", n%65536) }, 10 + 24},
		{"very many", func(n int) string { return fmt.Sprintf("10.%d.%d.1", n%60_000/250, n%250) }, 100 + 240},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settledInBubble(t)
				verified, mu := 0, sync.Mutex{}
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
				defer cancel()
				var strangers sync.WaitGroup
				for i := range 20 {
					strangers.Go(func() {
						for n := i; ctx.Err() == nil; n += 20 {
							if leave, err := w.hasher.strangers.enter(ctx, prover{address: row.address(n), account: boss.Email}); err == nil {
								mu.Lock()
								verified++
								mu.Unlock()
								leave(true)
							}
							time.Sleep(time.Second)
						}
					})
				}
				strangers.Wait()
				if verified > row.most+1 || verified < row.most/2 {
					t.Errorf("%d guesses were verified in four minutes, want at most %d and not much less", verified, row.most)
				}
			})
		})
	}
}

func TestFailuresAtOtherServersSlowSignInsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, told := settledInBubble(t), 0
		w.config.Failed = func(address, email, browser string) {
			if told++; address != "192.0.2.1" || email != boss.Email || browser != "" {
				t.Errorf("others heard of %q, %q, %q", address, email, browser)
			}
		}
		for range 10 {
			w.FailedElsewhere("192.0.2.1", boss.Email, "")
		}
		for _, from := range []struct {
			address string
			takes   time.Duration
		}{{"192.0.2.1", 10 * time.Second}, {"198.51.100.1", 0}} {
			begun := time.Now()
			if err := w.from(from.address, password); err != nil || time.Since(begun) != from.takes {
				t.Errorf("the right password from %s: %v after %s, want it right after %s", from.address, err, time.Since(begun), from.takes)
			}
		}
		if told != 0 {
			t.Errorf("others heard of %d failures, though none was here", told)
		}
		if err := w.from("192.0.2.1", "a guess of mine"); !errors.Is(err, fleet.Unauthenticated) || told != 1 {
			t.Errorf("got %v, and others heard of %d failures, want one", err, told)
		}
	})
}

func TestFailuresSlowSignInsDownAndRefuseNoRightPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settledInBubble(t)
		took := func(password string, want error) time.Duration {
			t.Helper()
			begun := time.Now()
			if err := w.from("192.0.2.1", password); !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
			return time.Since(begun)
		}
		for range 30 {
			if d := took(password, nil); d != 0 { // right ones cost nothing
				t.Fatalf("a right one took %s", d)
			}
		}
		for range 10 {
			if d := took("a guess of mine", fleet.Unauthenticated); d != 0 {
				t.Fatalf("one of ten wrong ones took %s", d)
			}
		}
		for range 3 {
			if d := took("a guess of mine", fleet.Unauthenticated); d != 10*time.Second {
				t.Errorf("a wrong one after ten others took %s, want 10s", d)
			}
		}
		if d := took(password, nil); d != 10*time.Second {
			t.Errorf("the right one took %s, want 10s", d)
		}
	})
}

func TestTheOwnersBrowserSignsInWhateverStrangersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settledInBubble(t)
		mark := w.mark()
		defer w.takeCore()() // all of strangers
		proof := fleet.SignIn{Email: boss.Email, Password: password, Address: "192.0.2.1"}
		if _, _, err := w.SignIn(t.Context(), proof); !errors.Is(err, fleet.Busy) {
			t.Fatalf("a stranger with the right password: got %v, want Busy", err)
		}
		proof.Browser = mark
		if _, _, err := w.SignIn(t.Context(), proof); err != nil {
			t.Errorf("the owner's browser: %v", err)
		}
		proof.Password = "a guess"
		for range 10 {
			if _, _, err := w.SignIn(t.Context(), proof); !errors.Is(err, fleet.Unauthenticated) {
				t.Fatalf("a guess with the owner's browser: got %v, want Unauthenticated", err)
			}
		}
		if _, _, err := w.SignIn(t.Context(), proof); !errors.Is(err, fleet.Busy) {
			t.Errorf("the eleventh: got %v, want Busy", err)
		}
	})
}

func TestWhoWaitsForAHasherIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(1, 8) // one place for each network
		free, err := l.enter(t.Context(), prover{address: "192.0.2.1"})
		if err != nil {
			t.Fatal(err)
		}
		type result struct {
			address string
			err     error
		}
		results := make(chan result, 100)
		come := func(address string) {
			go func() {
				leave, err := l.enter(t.Context(), prover{address: address})
				if err == nil {
					leave(true)
				}
				results <- result{address, err}
			}()
			synctest.Wait()
		}
		for range 3 {
			come("192.0.2.1")
		}
		if len(results) != 2 {
			t.Errorf("%d of one network lost their place, want 2 of 3", len(results))
		}
		for i := range 20 {
			come(fmt.Sprintf("198.51.%d.1", i))
		}
		if len(results) != 15 || len(l.waiting) != 8 {
			t.Errorf("%d lost their place and %d wait, want 15 and 8", len(results), len(l.waiting))
		}
		free(true)
		synctest.Wait()
		var admitted []string
		for range 23 {
			if r := <-results; r.err == nil {
				admitted = append(admitted, r.address)
			} else if !errors.Is(r.err, fleet.Busy) {
				t.Errorf("%s: got %v, want Busy", r.address, r.err)
			}
		}
		slices.Sort(admitted)
		if len(slices.Compact(admitted)) != 8 {
			t.Errorf("%v were verified, want one of each of eight networks", admitted)
		}
		if l.verified != 0 || len(l.waiting) != 0 {
			t.Errorf("%d under way and %d waiting remain", l.verified, len(l.waiting))
		}
	})
}

func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settledInBubble(t)
		free := w.takeCore()
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := w.hasher.check(ctx, prover{address: "192.0.2.1"}, nil, password)
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, fleet.Busy) {
			t.Errorf("got %v, want Busy", err)
		}
		if n := len(w.hasher.strangers.waiting); n != 0 {
			t.Errorf("%d still wait", n)
		}
		free()
		if err := w.from("192.0.2.1", password); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}
