package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/muster-iot/muster/fleet"
)

// advice says what to do about err, "" where its text says it already.
func advice(err error) string {
	if errors.Is(err, fleet.Unauthenticated) {
		if os.Getenv(tokenVariable) != "" {
			return tokenVariable + " holds a token that is wrong or has ended. Set another, or unset it to use a context."
		}
		return "Your token has ended or was revoked. Sign in again with: muster login"
	}
	if !errors.Is(err, fleet.Unavailable) {
		return ""
	}
	if text := adviceTLS(err); text != "" {
		return text
	}
	var unknown *net.DNSError
	if errors.As(err, &unknown) && unknown.IsNotFound {
		return "No such host. Is the address right? See: muster context"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "It listens there, but speaks no HTTP. Is that the port of MQTT? Use the one of HTTP, as in " + localServer
	}
	if errors.As(err, new(*net.OpError)) {
		return "Is the server running, and is that its address? See: muster context"
	}
	return ""
}

// adviceTLS says what to do where the two sides can't agree on TLS, "" where that is not
// the matter.
func adviceTLS(err error) string {
	var host x509.HostnameError
	var expired x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "Its certificate is signed by nobody this machine trusts. Add the signer to the system's, or name its file in SSL_CERT_FILE."
	case errors.As(err, &host):
		return "Its certificate is for another name. Use the name it was made for; see: muster context"
	case errors.As(err, &expired):
		return "Its certificate does not hold at this time. Renew it at the server, or set this machine's clock."
	case errors.As(err, new(tls.RecordHeaderError)), errors.Is(err, http.ErrSchemeMismatch):
		return "That server does not speak TLS there. Use http://, or the address of its TLS."
	}
	return ""
}
