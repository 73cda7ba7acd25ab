package cli

import "testing"

func TestAServerWithoutASchemeIsReachedOverTLS(t *testing.T) {
	for server, want := range map[string]string{
		"muster.example.com":      "https://muster.example.com",
		"muster.example.com:8443": "https://muster.example.com:8443",
		"192.0.2.1":               "https://192.0.2.1",
		"localhost:8080":          "http://localhost:8080",
		"127.0.0.1:8080":          "http://127.0.0.1:8080",
		"[::1]:8080":              "http://[::1]:8080",
		"http://192.0.2.1/":       "http://192.0.2.1",
	} {
		got, err := (&loginCmd{Server: server}).base(&contexts{})
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", server, got, err, want)
		}
	}
}
