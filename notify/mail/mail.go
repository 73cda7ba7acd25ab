package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// How a connection to the server is secured.
const (
	StartTLS = "starttls" // plain at first, TLS before anything else is sent; without it nothing is sent
	TLS      = "tls"      // TLS from the first byte
	Plain    = "none"     // never: for a server on this machine
)

// Config is the SMTP server to use.
type Config struct {
	Server         string // HOST:PORT; "" for none
	Security       string // StartTLS, TLS or Plain
	User, Password string // "" without authentication
	From           string // address, or NAME <ADDRESS>
	Roots          *x509.CertPool
}

const timeout = 15 * time.Second // of one mail, from the name to the server's last answer

// Sender sends mail. It is safe for concurrent use, and nil sends none.
type Sender struct {
	config Config
	from   *netmail.Address
	host   string
	port   int
}

// New returns a Sender, nil if config has no server.
func New(config Config) (*Sender, error) {
	if config.Server == "" {
		return nil, nil //nolint:nilnil // no mail is not a mistake
	}
	host, port, err := net.SplitHostPort(config.Server)
	if err != nil {
		return nil, fmt.Errorf("mail server %q: %w", config.Server, err)
	}
	s := &Sender{config: config, host: host}
	if s.port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("mail server %q: %w", config.Server, err)
	}
	if s.from, err = netmail.ParseAddress(config.From); err != nil {
		return nil, fmt.Errorf("sender %q: %w", config.From, err)
	}
	return s, nil
}

// Email is an email of plain text.
type Email struct {
	ID      string // makes the Message-ID: the same for each attempt, so that a mail program shows one
	To      []string
	Subject string
	Text    string
}

// ErrNone is the error of a nil Sender.
var ErrNone = errors.New("no mail server is configured: the operator of the server sets mail.server")

// Send makes one attempt to hand m over to the server.
func (s *Sender) Send(ctx context.Context, m Email) error {
	if s == nil {
		return ErrNone
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(s.from)
	if err := message.To(m.To...); err != nil {
		return err
	}
	message.Subject(line(m.Subject))
	message.SetDate()
	_, domain, _ := strings.Cut(s.from.Address, "@")
	message.SetMessageIDWithValue(m.ID + "@" + domain)
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: no vacation notes, please
	message.SetGenHeader("Muster-Notification-Id", m.ID)
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	client, err := gomail.NewClient(s.host, s.options()...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		return errors.New(line(err.Error()))
	}
	return nil
}

func (s *Sender) options() []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(timeout), gomail.WithoutNoop(),
		gomail.WithTLSConfig(&tls.Config{ServerName: s.host, RootCAs: s.config.Roots, MinVersion: tls.VersionTLS12}),
	}
	switch s.config.Security {
	case TLS:
		options = append(options, gomail.WithSSL())
	case Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.config.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.config.User), gomail.WithPassword(s.config.Password))
	}
	return options
}

// line is text on one line, of at most 200 letters: what devices and servers sent must not begin a
// header.
func line(text string) string {
	letters := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
	return strings.TrimSpace(string(letters[:min(len(letters), 200)]))
}
