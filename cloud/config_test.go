package cloud

import (
	"testing"
	"time"
)

func TestConsoleIsWhereABrowserHereFindsIt(t *testing.T) {
	for listening, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/",
		"[::1]:8080":     "http://[::1]:8080/",
		"[::]:8080":      "http://localhost:8080/",
		"0.0.0.0:8080":   "http://localhost:8080/",
		"":               "",
	} {
		if got := (Addresses{HTTP: listening}).console(); got != want {
			t.Errorf("%q: got %q, want %q", listening, got, want)
		}
	}
}

func TestASessionNeedsAHelloOnceADayUnlessConfigured(t *testing.T) {
	c, err := New(t.Context(), Config{Ephemeral: true, OwnerEmail: "owner@example.com", OwnerPassword: "correct horse battery staple"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	if got := c.conductor.maxAge; got != 24*time.Hour {
		t.Errorf("got %v, want 24 h", got)
	}
}
