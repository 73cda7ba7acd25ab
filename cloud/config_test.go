package cloud

import "testing"

func TestConsoleURLWorksInALocalBrowser(t *testing.T) {
	t.Parallel()
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
