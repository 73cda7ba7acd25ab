package cli

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/muster-iot/muster/api/client"
)

// TestAdviceSaysWhatToDo asks servers that can't be reached or understood.
func TestAdviceSaysWhatToDo(t *testing.T) {
	t.Setenv(tokenVariable, "")
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	plain := httptest.NewServer(hello)
	defer plain.Close()
	tls := httptest.NewUnstartedServer(hello)
	tls.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	tls.StartTLS()
	defer tls.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	mute := silent(t)
	for name, row := range map[string]struct{ url, want string }{
		"a token that ended":           {plain.URL, "muster login"},
		"nobody listens":               {"http://" + gone.Addr().String(), "Is the server running"},
		"no such host":                 {"http://nowhere.invalid", ""}, // without a name server it is another error
		"one that speaks no HTTP":      {"http://" + mute, "Is it the MQTT port?"},
		"an unknown signer":            {tls.URL, "SSL_CERT_FILE"},
		"TLS asked of one without":     {strings.Replace(plain.URL, "http:", "https:", 1), "Use http://"},
		"no TLS asked of one with TLS": {strings.Replace(tls.URL, "https:", "http:", 1), ""}, // the server says it
	} {
		_, err := client.New(row.url, "").Teams(t.Context())
		if err == nil || !strings.Contains(Advice(err), row.want) {
			t.Errorf("%s: got %v, advice %q, want one with %q", name, err, Advice(err), row.want)
		}
		if name == "no TLS asked of one with TLS" && !strings.Contains(err.Error(), "HTTP request to an HTTPS server") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// silent listens at the address it returns, and closes each connection as soon as it has
// read something, as an MQTT server does that is sent no CONNECT.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return l.Addr().String()
}
