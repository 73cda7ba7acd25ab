package api

import (
	"context"
	_ "embed"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// invitationPage is where a link of an invitation leads. The secret is in the fragment,
// which browsers don't send: it is in no server's log.
const invitationPage = "/v1/invitation"

//go:embed pages/invitation.html
var invitationHTML []byte

// Acceptance takes the place an invitation offers.
type Acceptance struct {
	Token    string `json:"token" doc:"The invitation's"`
	Password string `json:"password" doc:"Of your account; of a new one, the one it is to have"`
	Name     string `json:"name,omitempty" doc:"Of a new account"`
}

func (s *server) invitations() {
	add(s, route{id: "AcceptInvitation", method: http.MethodPost, path: "/v1/invitations/accept", summary: "Take the place an invitation offers, and sign in", tag: "team", access: public,
		errors: []int{http.StatusUnauthorized, http.StatusConflict, http.StatusTooManyRequests}, example: `{"token":"msi_1_0f3a...","password":"correct horse battery staple"}`},
		func(ctx context.Context, _ fleet.Actor, in *struct {
			Input[Acceptance]
			Peer
		}) (*reply[Token], error) {
			secret, t, err := s.Accept(ctx, fleet.Acceptance{Secret: in.In.Token, Password: in.In.Password, Name: in.In.Name, Address: in.address})
			return answer(shownToken(secret, t), err)
		})
	add(s, route{id: "InvitationPage", method: http.MethodGet, path: invitationPage, summary: "A page to accept an invitation at", tag: "team", access: public},
		func(context.Context, fleet.Actor, *struct{}) (*huma.StreamResponse, error) {
			return htmlPage(invitationHTML, "script-src 'unsafe-inline'; connect-src 'self'"), nil
		})
}

// htmlPage answers a page of this binary. It may load nothing but what policy says.
func htmlPage(page []byte, policy string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "text/html; charset=utf-8")
		ctx.SetHeader("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "+policy)
		ctx.SetHeader("X-Content-Type-Options", "nosniff")
		ctx.SetHeader("Referrer-Policy", "no-referrer")
		ctx.SetStatus(http.StatusOK)
		_, _ = ctx.BodyWriter().Write(page) // the client is gone: nobody to tell
	}}
}
