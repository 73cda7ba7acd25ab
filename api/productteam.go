package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// ProductUser is a user in Particle's shape. A product's team is the team it belongs to.
type ProductUser struct {
	ID       string      `json:"_id"`
	Username string      `json:"username"`
	Role     ProductRole `json:"role"`
	Program  bool        `json:"is_programmatic,omitempty"`
	Groups   []string    `json:"groups"`
	Product  uint32      `json:"product_id"`
}

// ProductRole is a role in Particle's shape.
type ProductRole struct {
	ID   string `json:"id" enum:"owner,admin,editor,viewer"`
	Name string `json:"name" doc:"Particle's word for it"`
}

// ProductTeam is the users of a product's team.
type ProductTeam struct {
	OK   bool          `json:"ok"`
	Team []ProductUser `json:"team"`
}

// NewProductUser invites a person, by username, or makes a program, by friendly_name.
type NewProductUser struct {
	Username string  `json:"username,omitempty" doc:"Email of a person"`
	Name     string  `json:"friendly_name,omitempty" doc:"Name of a program"`
	Role     string  `json:"role,omitempty" doc:"A role, or Particle's word for one: Administrator, Developer, Support, View-only. Absent: viewer"`
	Groups   Names   `json:"groups,omitempty"`
	Scopes   ignored `json:"scopes,omitzero"`
}

// ProductUserUpdate changes a user; what is absent stays.
type ProductUserUpdate struct {
	Role   string  `json:"role,omitempty" doc:"A role, or Particle's word for one: Administrator, Developer, Support, View-only"`
	Groups Names   `json:"groups,omitempty"`
	Scopes ignored `json:"scopes,omitzero"`
}

// ProductUserAdded is Particle's answer to a NewProductUser.
type ProductUserAdded struct {
	OK      bool           `json:"ok"`
	Invited *InvitedUser   `json:"invited,omitempty"`
	Created *ProgramTokens `json:"created,omitempty"`
	Updated *ProgramTokens `json:"updated,omitempty"`
}

// InvitedUser is who was invited, with the link to pass on.
type InvitedUser struct {
	Username string `json:"username"`
	Invitation
}

// ProgramTokens is a program with its token.
type ProgramTokens struct {
	Username string        `json:"username"`
	Program  bool          `json:"is_programmatic"`
	Tokens   []TokenSecret `json:"tokens,omitempty"`
}

// TokenSecret is a token, shown once.
type TokenSecret struct {
	Token string `json:"token"`
}

// OK says that it is done.
type OK struct {
	OK bool `json:"ok"`
}

// ProductUserPath names a user by way of a product.
type ProductUserPath struct {
	ProductPath
	Username string `path:"username" example:"me@example.com"`
}

// roleWords are Particle's roles.
var roleWords = map[string]string{"administrator": "admin", "developer": "editor", "support": "viewer", "view-only": "viewer", "": "viewer"}

// particleRole is the role that one of Particle's words, or one of ours, means.
func particleRole(text string) string {
	if role, ok := roleWords[strings.ToLower(text)]; ok {
		return role
	}
	return text
}

func (s *server) productTeam() {
	const tag, all, one = "product team", "/v1/products/{product}/team", "/v1/products/{product}/team/{username}"
	add(s, route{id: "ListProductTeam", method: http.MethodGet, path: all, summary: "Users of the product's team", tag: tag, access: needs(fleet.SeeTeam)}, s.listProductTeam)
	add(s, route{id: "AddProductTeamUser", method: http.MethodPost, path: all, summary: "Invite a person, or make a program", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict},
		example: `{"username":"ada@example.com","role":"Developer"}`}, s.addProductUser)
	update := func(ctx context.Context, who fleet.Actor, in *struct {
		ProductUserPath
		Input[ProductUserUpdate]
	}) (*reply[OK], error) {
		if _, err := s.Product(ctx, who, in.Product); err != nil {
			return nil, err
		}
		u := UserUpdate{}
		if in.In.Role != "" {
			u.Role = particleRole(in.In.Role)
		}
		if in.In.Groups != nil {
			u.Groups = Some(in.In.Groups)
		}
		return answer(OK{true}, s.updateUser(ctx, who, in.Username, u))
	}
	add(s, route{id: "UpdateProductTeamUser", method: http.MethodPut, path: one, summary: "Set role and groups", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict}, example: `{"role":"View-only"}`}, update)
	add(s, route{id: "PostProductTeamUser", method: http.MethodPost, path: one, summary: "The same as UpdateProductTeamUser", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict}, example: `{"role":"View-only"}`}, update)
	add(s, route{id: "RemoveProductTeamUser", method: http.MethodDelete, path: one, summary: "Remove a user from the team", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict}},
		func(ctx context.Context, who fleet.Actor, in *ProductUserPath) (*reply[OK], error) {
			if _, err := s.Product(ctx, who, in.Product); err != nil {
				return nil, err
			}
			return answer(OK{true}, s.RemoveMember(ctx, who, in.Username))
		})
	rotate := func(ctx context.Context, who fleet.Actor, in *struct {
		ProductUserPath
		Input[Lifetime]
	}) (*reply[ProductUserAdded], error) {
		if _, err := s.Product(ctx, who, in.Product); err != nil {
			return nil, err
		}
		m, secret, _, err := s.RotateProgram(ctx, who, in.Username, in.In.duration())
		return answer(ProductUserAdded{OK: true, Updated: &ProgramTokens{m.Email, true, []TokenSecret{{secret}}}}, err)
	}
	add(s, route{id: "RotateProductTeamToken", method: http.MethodPut, path: one + "/token", summary: "Give a program another token", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict},
		example: `{"expires_in":31536000}`}, rotate)
	add(s, route{id: "PostProductTeamToken", method: http.MethodPost, path: one + "/token", summary: "The same as RotateProductTeamToken", tag: tag, access: needs(fleet.ManageUsers), errors: []int{http.StatusConflict},
		example: `{"expires_in":31536000}`}, rotate)
}

func (s *server) listProductTeam(ctx context.Context, who fleet.Actor, in *ProductPath) (*reply[ProductTeam], error) {
	product, err := s.Product(ctx, who, in.Product)
	if err != nil {
		return nil, err
	}
	members, err := s.Members(ctx, who)
	if err != nil {
		return nil, err
	}
	names, err := s.GroupNames(ctx, who, 0)
	out := ProductTeam{OK: true, Team: []ProductUser{}}
	words := map[fleet.Role]string{fleet.Owner: "Owner", fleet.Admin: "Administrator", fleet.Editor: "Developer", fleet.Viewer: "View-only"}
	for _, m := range members {
		out.Team = append(out.Team, ProductUser{
			ID: m.User.String(), Username: m.Email, Role: ProductRole{m.Role.String(), words[m.Role]},
			Program: m.Program, Groups: namesOf(m.Groups, names), Product: uint32(product.ID),
		})
	}
	return answer(out, err)
}

func (s *server) addProductUser(ctx context.Context, who fleet.Actor, in *struct {
	ProductPath
	Origin
	Input[NewProductUser]
}) (*reply[ProductUserAdded], error) {
	if _, err := s.Product(ctx, who, in.Product); err != nil {
		return nil, err
	}
	added, err := s.addUser(ctx, who, NewUser{Email: in.In.Username, Name: in.In.Name, Role: particleRole(in.In.Role), Groups: in.In.Groups}, in.base)
	if err != nil {
		return nil, about(err, "email", "username")
	}
	if added.Invitation != nil {
		return answer(ProductUserAdded{OK: true, Invited: &InvitedUser{added.Email, *added.Invitation}}, nil)
	}
	return answer(ProductUserAdded{OK: true, Created: &ProgramTokens{added.Email, true, []TokenSecret{{added.Token.AccessToken}}}}, nil)
}

func sameEmail(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}
