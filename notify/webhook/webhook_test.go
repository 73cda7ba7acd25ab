package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The example of the specification's documentation (https://docs.svix.com/receiving/verifying-payloads/how-manual).
func TestSignaturesAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	const (
		secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		id     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
		body   = `{"test": 2432232314}`
		want   = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	)
	at := time.Unix(1614265330, 0)
	got, err := Sign(secret, id, at, []byte(body))
	if err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for name, row := range map[string]struct {
		id, timestamp, signatures, body string
		now                             time.Time
		ok                              bool
	}{
		"as sent":            {id, "1614265330", want, body, at, true},
		"one of several":     {id, "1614265330", "v1,AAAA v2,x " + want, body, at, true},
		"another body":       {id, "1614265330", want, body + " ", at, false},
		"another id":         {id + "x", "1614265330", want, body, at, false},
		"another time":       {id, "1614265331", want, body, at, false},
		"repeated later":     {id, "1614265330", want, body, at.Add(Tolerance + time.Second), false},
		"without signatures": {id, "1614265330", "", body, at, false},
	} {
		if err := Verify(secret, row.id, row.timestamp, row.signatures, []byte(row.body), row.now); (err == nil) != row.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAddressesOfTheOwnNetworkAreRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "fe80::1", "fd00::1",
		"100.64.0.1", "100.100.100.200", "224.0.0.1", "255.255.255.255", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1",
		"64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "0.1.2.3", "ff02::1", "fec0::1", "192.0.2.7",
	} {
		if (Guard{}).Check(netip.MustParseAddr(address)) == nil {
			t.Errorf("%s is not refused", address)
		}
	}
	for _, address := range []string{"8.8.8.8", "2606:4700::1111", "172.32.0.1", "100.128.0.1"} {
		if err := (Guard{}).Check(netip.MustParseAddr(address)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	allowing := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	if allowing.Check(netip.MustParseAddr("10.1.2.3")) != nil || allowing.Check(netip.MustParseAddr("::ffff:10.1.2.3")) != nil || allowing.Check(netip.MustParseAddr("10.2.0.1")) == nil {
		t.Error("notify.allow is not followed")
	}
}

func TestURLsThatCanNotBePostedToAreRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "example.com", "ftp://example.com", "https://", "https://user:pass@example.com/", "https://example.com/#x", "http://127.0.0.1/",
		"http://[::1]:8080/", "http://10.0.0.1", "gopher://10.0.0.1", "https://example.com/" + strings.Repeat("a", 2000),
	} {
		if (Guard{}).CheckURL(address) == nil {
			t.Errorf("%.60q is not refused", address)
		}
	}
	if err := (Guard{}).CheckURL("https://hooks.example.com:8443/a?b=c"); err != nil {
		t.Error(err)
	}
}

// loopback allows what a test's receiver listens on.
var loopback = Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// A name is checked by the address it leads to when the connection is made.
func TestANameThatLeadsToTheOwnNetworkIsNotConnectedTo(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	s := New(Guard{})
	defer s.Close()
	for _, host := range []string{"localhost", "127.1", "0x7f.1", "2130706433"} { // forms that some resolvers know
		if _, err := s.Post(context.Background(), "http://"+host+":"+port+"/", NewSecret(), "n1", nil); err == nil {
			t.Errorf("%s: was posted to", host)
		}
	}
	select {
	case <-reached:
		t.Error("a receiver on this machine was reached")
	default:
	}
}

func TestARequestIsSignedAndItsStatusReturned(t *testing.T) {
	t.Parallel()
	secret := NewSecret()
	status, elsewhere := http.StatusOK, make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere <- struct{}{} })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h := r.Header
		if err := Verify(secret, h.Get(IDHeader), h.Get(TimestampHeader), h.Get(SignatureHeader), body, time.Now()); err != nil {
			t.Error(err)
		}
		if string(body) != `{"a":1}` || h.Get(IDHeader) != "n1" || h.Get("Content-Type") != "application/json" {
			t.Errorf("got %s, %v", body, h)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "secret text of an inner service")
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	s := New(loopback)
	defer s.Close()
	for _, status = range []int{200, 204, 301, 307, 400, 410, 500} {
		got, err := s.Post(context.Background(), server.URL, secret, "n1", []byte(`{"a":1}`))
		if got != status || (err == nil) != (status < 300) || errors.Is(err, ErrGone) != (status == 410) {
			t.Errorf("%d: got %d, %v", status, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: the answer is repeated: %v", status, err)
		}
	}
	select {
	case <-elsewhere:
		t.Error("a redirect was followed")
	default:
	}
}
