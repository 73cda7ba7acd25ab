package route

import (
	"net"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

type (
	actorKey struct{}
	pathKey  struct{} // of the request's path
)

// authenticate lets requests with a valid bearer token through, with their actor. Rights
// are read again for each request.
func (s *service) authenticate(ctx huma.Context, next func(huma.Context)) {
	who, err := s.actor(ctx)
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	address := ctx.URL()
	next(huma.WithValue(huma.WithValue(ctx, actorKey{}, who), pathKey{}, address.Path))
}

func (s *service) actor(ctx huma.Context) (fleet.Actor, error) {
	secret := bearer(ctx.Header("Authorization"))
	if secret == "" {
		return fleet.Actor{}, fleet.Errorf(fleet.Unauthenticated, "send a token in the header Authorization: Bearer ...; POST /oauth/token returns one")
	}
	return s.config.Actor(ctx.Context(), secret, withoutPort(ctx.RemoteAddr()))
}

// bearer returns the token in an Authorization header, or "".
func bearer(header string) string {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// Peer is embedded in inputs that need the address a request came from.
type Peer struct {
	Address string // without port
}

// Resolve sets the address; huma calls it.
func (p *Peer) Resolve(ctx huma.Context) []error {
	p.Address = withoutPort(ctx.RemoteAddr())
	return nil
}

func withoutPort(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// Bearer is embedded in inputs that need the token a request came with.
type Bearer struct {
	Secret string
}

// Resolve sets the token; huma calls it.
func (b *Bearer) Resolve(ctx huma.Context) []error {
	b.Secret = bearer(ctx.Header("Authorization"))
	return nil
}

// Origin is embedded in inputs whose answers link back to this server.
type Origin struct {
	Base string // scheme and host by which the client reached the server
}

// Resolve sets the base; huma calls it.
func (o *Origin) Resolve(ctx huma.Context) []error {
	scheme := "http"
	if ctx.TLS() != nil || ctx.Header("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	o.Base = scheme + "://" + ctx.Host()
	return nil
}
