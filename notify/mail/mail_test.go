package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/muster-iot/muster/certificate"
	"github.com/muster-iot/muster/certificate/selfsigned"
)

// received is a mail that a test's server took.
type received struct {
	from, user string
	to         []string
	encrypted  bool
	text       string
}

// backend is a server that takes mail of ann with the password "secret", or of anybody.
type backend struct {
	anybody bool
	mails   chan received
}

func (b backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, encrypted := c.TLSConnectionState()
	return &session{backend: b, mail: received{encrypted: encrypted}}, nil
}

type session struct {
	backend
	mail received
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "ann" || password != "secret" {
			return errors.New("wrong password")
		}
		s.mail.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.mail.user == "" && !s.anybody {
		return smtp.ErrAuthRequired
	}
	s.mail.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.mail.text = string(text)
	s.mails <- s.mail
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// serve runs an SMTP server on loopback; with security StartTLS or TLS it has a certificate that
// roots trust.
func serve(t *testing.T, b backend, security string) (address string, roots *x509.CertPool) {
	t.Helper()
	server := smtp.NewServer(b)
	server.Domain = "localhost"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if security != Plain {
		dir := t.TempDir()
		pair := certificate.Pair{Cert: filepath.Join(dir, "c"), Key: filepath.Join(dir, "k")}
		if roots, err = selfsigned.Write(pair, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		own, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	}
	address = listener.Addr().String()
	if security == TLS {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return address, roots
}

func TestMailIsSentOverEachKindOfConnection(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		server, security, user, password string
		ok                               bool
	}{
		"STARTTLS":                              {StartTLS, StartTLS, "ann", "secret", true},
		"TLS":                                   {TLS, TLS, "ann", "secret", true},
		"plain":                                 {Plain, Plain, "", "", true},
		"wrong password":                        {StartTLS, StartTLS, "ann", "wrong-secret", false},
		"a server without TLS is not mailed to": {Plain, StartTLS, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := backend{anybody: row.user == "", mails: make(chan received, 2)}
			address, roots := serve(t, b, row.server)
			s, err := New(Config{Server: address, Security: row.security, User: row.user, Password: row.password, From: "Muster <muster@example.com>", Roots: roots})
			if err != nil {
				t.Fatal(err)
			}
			m := Email{ID: "ntf_1", To: []string{"bob@example.com", "eve@example.com"}, Subject: "3 alerts\r\nBcc: x@example.com", Text: "Hällo\n.\nend\n"}
			err = s.Send(context.Background(), m)
			if (err == nil) != row.ok {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				if len(b.mails) > 0 || strings.Contains(err.Error(), "secret") && row.password != "" && strings.Contains(err.Error(), row.password) {
					t.Errorf("it was sent, or the error shows the password: %v", err)
				}
				return
			}
			got := <-b.mails
			parsed, err := netmail.ReadMessage(strings.NewReader(got.text))
			if err != nil {
				t.Fatal(err)
			}
			h := parsed.Header
			if got.from != "muster@example.com" || strings.Join(got.to, " ") != "bob@example.com eve@example.com" || got.user != row.user || got.encrypted != (row.security != Plain) {
				t.Errorf("got %+v", got)
			}
			if h.Get("Message-Id") != "<ntf_1@example.com>" || h.Get("Subject") != "3 alerts  Bcc: x@example.com" || h.Get("Bcc") != "" || h.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("headers: %v", h)
			}
			if body, _ := io.ReadAll(parsed.Body); !strings.Contains(string(body), "H=C3=A4llo") || !strings.Contains(string(body), "end") {
				t.Errorf("body: %s", body)
			}
		})
	}
}

func TestACertificateThatIsNotTrustedEndsTheAttempt(t *testing.T) {
	t.Parallel()
	b := backend{anybody: true, mails: make(chan received, 1)}
	address, _ := serve(t, b, StartTLS)
	s, err := New(Config{Server: address, Security: StartTLS, From: "muster@example.com", Roots: x509.NewCertPool()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(context.Background(), Email{ID: "n", To: []string{"bob@example.com"}, Subject: "s", Text: "t"}); err == nil {
		t.Error("mail was sent to a server that was not recognized")
	}
}

func TestWithoutAServerThereIsNoMail(t *testing.T) {
	t.Parallel()
	s, err := New(Config{})
	if s != nil || err != nil || !errors.Is(s.Send(context.Background(), Email{}), ErrNone) {
		t.Errorf("got %v, %v", s, err)
	}
}
