package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/muster-iot/muster/fleet"
)

// misuse is a mistake in the command line: exit code 2.
type misuse struct{ text string }

func (m misuse) Error() string { return m.text }

// Misuse returns the error of a command line that is wrong.
func Misuse(format string, args ...any) error { return misuse{fmt.Sprintf(format, args...)} }

// IsMisuse reports whether the command line is what is wrong.
func IsMisuse(err error) bool { return errors.As(err, new(misuse)) }

// Advice returns what to do about err, "" if its own text is enough.
func Advice(err error) string {
	if errors.Is(err, fleet.Unauthenticated) {
		if os.Getenv(tokenVariable) != "" {
			return tokenVariable + " holds a token that is wrong, expired or revoked. Set another, or unset it to use a context."
		}
		return "Your token expired or was revoked. Sign in again with: muster login"
	}
	if !errors.Is(err, fleet.Unavailable) {
		return ""
	}
	if text := adviceTLS(err); text != "" {
		return text
	}
	var unknown *net.DNSError
	if errors.As(err, &unknown) && unknown.IsNotFound {
		return "Host not found. Check the address: muster context"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "That port does not speak HTTP. Is it the MQTT port? Use the HTTP one, as in " + localServer
	}
	if errors.As(err, new(*net.OpError)) {
		return "Is the server running, and is the address right? See: muster context"
	}
	return ""
}

// adviceTLS is advice on failed TLS handshakes, "" for other errors.
func adviceTLS(err error) string {
	var host x509.HostnameError
	var expired x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "The server's certificate is signed by an authority that this machine does not trust. Add it to the system's trust store, or set SSL_CERT_FILE to its file."
	case errors.As(err, &host):
		return "The server's certificate is for another host name. Use the name it was issued for; see: muster context"
	case errors.As(err, &expired):
		return "The server's certificate is not valid at this time. Renew it, or correct this machine's clock."
	case errors.As(err, new(tls.RecordHeaderError)), errors.Is(err, http.ErrSchemeMismatch):
		return "The server does not use TLS on that port. Use http://, or the address of its TLS port."
	}
	return ""
}
