package api

import "time"

// TokenRequest is OAuth's password grant (RFC 6749 §4.3). Any client id will do.
type TokenRequest struct {
	GrantType    string  `json:"grant_type,omitempty" example:"password"`
	Username     string  `json:"username" example:"me@example.com"`
	Password     string  `json:"password"`
	ExpiresIn    *uint32 `json:"expires_in,omitempty" doc:"Seconds the token is valid; absent or 0: 90 days"`
	Team         uint32  `json:"team,omitempty" doc:"Absent: your oldest team"`
	ClientID     Ignored `json:"client_id,omitzero"`
	ClientSecret Ignored `json:"client_secret,omitzero"`
	Scope        Ignored `json:"scope,omitzero"`
}

// Token is the answer to a TokenRequest.
type Token struct {
	AccessToken string `json:"access_token" doc:"Shown only once"`
	TokenType   string `json:"token_type" example:"bearer"`
	ExpiresIn   int64  `json:"expires_in" doc:"Seconds"`
	ID          string `json:"id" doc:"Public id, for lists and to revoke the token"`
	Team        uint32 `json:"team"`
}

// User is who asks, in Particle's shape.
type User struct {
	ID       uint32 `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
}

// UserUpdates is how users change their password, in Particle's shape.
type UserUpdates struct {
	Password   string  `json:"password" doc:"The new password, of 10 to 256 bytes"`
	Current    string  `json:"current_password" doc:"The current password"`
	Invalidate Ignored `json:"invalidate_tokens,omitzero"`
}

// Account is who asks and in which team, in nRF Cloud's shape.
type Account struct {
	MQTTEndpoint string   `json:"mqttEndpoint"`
	Team         TeamName `json:"team"`
	Role         string   `json:"role" enum:"owner,admin,editor,viewer"`
	UserID       string   `json:"userId"`
	Email        string   `json:"email"`
	Tags         []string `json:"tags" doc:"Your groups: you see devices in any of them, and devices in no group"`
}

// TeamName is a team in an Account.
type TeamName struct {
	TenantID string `json:"tenantId"`
	Name     string `json:"name"`
}

// System is the server's version.
type System struct {
	Name     string `json:"name" example:"muster"`
	Version  string `json:"version"`
	Protocol int    `json:"protocol" doc:"Version of the device protocol"`
}

// TokenInfo is a token as lists show it, without its secret.
type TokenInfo struct {
	ID      string     `json:"id"`
	Label   string     `json:"label"`
	Created *time.Time `json:"created_at"`
	Expires *time.Time `json:"expires_at" doc:"null: never"`
	Used    *time.Time `json:"last_used_at" doc:"To the hour; null: never"`
	From    string     `json:"last_address" doc:"IP address it was last used from"`
	Team    uint32     `json:"team"`
}

// TokenList is tokens, newest first.
type TokenList struct {
	Tokens []TokenInfo `json:"tokens"`
}

// NewToken asks for a token with one's own rights.
type NewToken struct {
	Label string `json:"label" doc:"What it is for"`
	Lifetime
}

// Lifetime is how long a token is to live.
type Lifetime struct {
	ExpiresIn uint32 `json:"expires_in,omitempty" doc:"Seconds; absent or 0: the default"`
}

// Duration returns the lifetime; 0 means the default.
func (l Lifetime) Duration() time.Duration { return time.Duration(l.ExpiresIn) * time.Second }
