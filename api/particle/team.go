package particle

import (
	"context"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
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
	Name string `json:"name" doc:"Particle's name for it"`
}

// ProductTeam is the users of a product's team.
type ProductTeam struct {
	OK   bool          `json:"ok"`
	Team []ProductUser `json:"team"`
}

// NewProductUser invites a person, by username, or makes a program, by friendly_name.
type NewProductUser struct {
	Username string      `json:"username,omitempty" doc:"Email of a person"`
	Name     string      `json:"friendly_name,omitempty" doc:"Name of a program"`
	Role     string      `json:"role,omitempty" doc:"A role, or Particle's name for one: Administrator, Developer, Support, View-only. Absent: viewer"`
	Groups   api.Names   `json:"groups,omitempty"`
	Scopes   api.Ignored `json:"scopes,omitzero"`
}

// ProductUserUpdate changes a user; what is absent stays.
type ProductUserUpdate struct {
	Role   string      `json:"role,omitempty" doc:"A role, or Particle's name for one: Administrator, Developer, Support, View-only"`
	Groups api.Names   `json:"groups,omitempty"`
	Scopes api.Ignored `json:"scopes,omitzero"`
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
	api.Invitation
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

// OK is the answer to a write that has nothing else to report.
type OK struct {
	OK bool `json:"ok"`
}

// ProductUserPath names a user by way of a product.
type ProductUserPath struct {
	rest.ProductPath
	Username string `path:"username" example:"me@example.com"`
}

// See looks the user up.
func (p *ProductUserPath) See(ctx context.Context, a *rest.API, who fleet.Actor) error {
	return (&rest.UserPath{Email: p.Username}).See(ctx, a, who)
}

// roleWords are Particle's names for roles in requests.
var roleWords = map[string]string{"administrator": "admin", "developer": "editor", "support": "viewer", "view-only": "viewer", "": "viewer"}

// roleOf is the role that one of Particle's names, or one of Muster's, stands for.
func roleOf(text string) string {
	if role, ok := roleWords[strings.ToLower(text)]; ok {
		return role
	}
	return text
}

func (p *adapter) team() route.Table {
	const all, one = "/v1/products/{product}/team", "/v1/products/{product}/team/{username}"
	return route.Table{Tag: "product team", Routes: []route.Route{
		route.Get("ListProductTeam", all, "Users of the product's team", route.Needs(fleet.SeeTeam), p.listTeam),
		route.Post("AddProductTeamUser", all, "Invite a person, or create a program", route.Needs(fleet.ManageUsers), p.addUser).
			Fails(conflict).Example(`{"username":"ada@example.com","role":"Developer"}`),
		route.Put("UpdateProductTeamUser", one, "Set role and groups", route.Needs(fleet.ManageUsers), p.updateUser).
			Fails(conflict).Example(`{"role":"View-only"}`),
		route.Post("PostProductTeamUser", one, "The same as UpdateProductTeamUser", route.Needs(fleet.ManageUsers), p.updateUser).
			Fails(conflict).Example(`{"role":"View-only"}`),
		route.Delete("RemoveProductTeamUser", one, "Remove a user from the team", route.Needs(fleet.ManageUsers), p.removeUser).
			Fails(conflict),
		route.Put("RotateProductTeamToken", one+"/token", "Revoke a program's token and create a new one", route.Needs(fleet.ManageUsers), p.rotate).
			Fails(conflict).Example(`{"expires_in":31536000}`),
		route.Post("PostProductTeamToken", one+"/token", "The same as RotateProductTeamToken", route.Needs(fleet.ManageUsers), p.rotate).
			Fails(conflict).Example(`{"expires_in":31536000}`),
	}}
}

// roleNames are Particle's names for roles in answers.
var roleNames = map[fleet.Role]string{fleet.Owner: "Owner", fleet.Admin: "Administrator", fleet.Editor: "Developer", fleet.Viewer: "View-only"}

func (p *adapter) listTeam(ctx context.Context, who fleet.Actor, in *rest.ProductPath) (*route.Reply[ProductTeam], error) {
	members, err := p.Accounts.Members(ctx, who)
	if err != nil {
		return nil, err
	}
	names, err := p.Registry.GroupNames(ctx, who, 0)
	out := ProductTeam{OK: true, Team: []ProductUser{}}
	for _, m := range members {
		out.Team = append(out.Team, ProductUser{
			ID: m.User.String(), Username: m.Email, Role: ProductRole{m.Role.String(), roleNames[m.Role]},
			Program: m.Program, Groups: rest.NamesOf(m.Groups, names), Product: uint32(in.Found().ID),
		})
	}
	return route.Answer(out, err)
}

func (p *adapter) addUser(ctx context.Context, who fleet.Actor, in *struct {
	rest.ProductPath
	route.Origin
	route.Input[NewProductUser]
}) (*route.Reply[ProductUserAdded], error) {
	u := api.NewUser{Email: in.In.Username, Name: in.In.Name, Role: roleOf(in.In.Role), Groups: in.In.Groups}
	added, err := p.AddUser(ctx, who, u, in.Base)
	if err != nil {
		return nil, route.About(err, "email", "username")
	}
	if added.Invitation != nil {
		return route.Answer(ProductUserAdded{OK: true, Invited: &InvitedUser{added.Email, *added.Invitation}}, nil)
	}
	return route.Answer(ProductUserAdded{OK: true, Created: programTokens(added.Email, added.Token.AccessToken)}, nil)
}

func (p *adapter) updateUser(ctx context.Context, who fleet.Actor, in *struct {
	ProductUserPath
	route.Input[ProductUserUpdate]
}) (*route.Reply[OK], error) {
	u := api.UserUpdate{}
	if in.In.Role != "" {
		u.Role = roleOf(in.In.Role)
	}
	if in.In.Groups != nil {
		u.Groups = api.Some(in.In.Groups)
	}
	return route.Answer(OK{true}, p.UpdateUser(ctx, who, in.Username, u))
}

func (p *adapter) removeUser(ctx context.Context, who fleet.Actor, in *ProductUserPath) (*route.Reply[OK], error) {
	return route.Answer(OK{true}, p.Accounts.RemoveMember(ctx, who, in.Username))
}

func (p *adapter) rotate(ctx context.Context, who fleet.Actor, in *struct {
	ProductUserPath
	route.Input[api.Lifetime]
}) (*route.Reply[ProductUserAdded], error) {
	m, secret, _, err := p.Accounts.RotateProgram(ctx, who, in.Username, in.In.Duration())
	return route.Answer(ProductUserAdded{OK: true, Updated: programTokens(m.Email, secret)}, err)
}

func programTokens(email, secret string) *ProgramTokens {
	return &ProgramTokens{Username: email, Program: true, Tokens: []TokenSecret{{secret}}}
}
