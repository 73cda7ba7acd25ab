// Package accounts manages teams, their members and invitations, users, programs, passwords
// and tokens, and turns a token into the actor it stands for.
//
// It hides how passwords and tokens are kept, and how guessing them is slowed down. The rules
// of who may do what are fleet.May's and those of docs/rules.md#teams.
package accounts

import (
	"time"

	"github.com/muster-iot/muster/audit"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
	"github.com/muster-iot/muster/steady"
	"github.com/muster-iot/muster/store"
)

// Config is what Accounts works with. Zero limits take the defaults.
type Config struct {
	Teams *store.Teams
	Audit *audit.Log
	Clock *steady.Clock // by which tokens and invitations expire; nil: one of its own

	Failed func(address, email, browser string) // is called for each wrong password, must not block; nil: no one else is notified

	TokenLifetime time.Duration // of a token created without one; default 90 days
	Hashers       int           // passwords of strangers hashed at the same time, 19 MiB each; default 1. One more is reserved for known browsers and signed-in users
	HashQueue     int           // sign-ins that wait for a hasher or their pace; default 64, an eighth of them from one network
	HashMemory    uint32        // KiB of one hash; default 19,456; tests lower it
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = new(steady.Clock)
	}
	if c.Failed == nil {
		c.Failed = func(string, string, string) {}
	}
	if c.TokenLifetime <= 0 {
		c.TokenLifetime = 90 * 24 * time.Hour
	}
	if c.Hashers <= 0 {
		c.Hashers = 1
	}
	if c.HashQueue <= 0 {
		c.HashQueue = 64
	}
	if c.HashMemory == 0 {
		c.HashMemory = 19 << 10
	}
	return c
}

// Accounts is safe for concurrent use and keeps no goroutine. Every method that takes an
// actor asks fleet.May; beyond the errors it documents, it returns fleet.NotFound for what
// the actor can't see, fleet.Denied for what they may not do, and fleet.Unavailable when the
// store does not answer.
type Accounts struct {
	config Config
	teams  *store.Teams
	audit  *audit.Log
	clock  *steady.Clock
	hasher *hasher
	proofs *proofs

	failures failures
	created  *limit.Limiter[fleet.UserID] // tokens, by the user who creates them or switches teams
}

// Tokens that one user may create at once, then one per tokenInterval: each is an entry of the
// audit log.
const (
	tokenBurst    = 60
	tokenInterval = 10 * time.Second
	tokenMakers   = 10_000 // users remembered
)

// New returns the Accounts kept in config.Teams.
func New(config Config) *Accounts {
	config = config.withDefaults()
	return &Accounts{
		config: config, teams: config.Teams, audit: config.Audit, clock: config.Clock, hasher: newHasher(config), proofs: newProofs(),
		failures: failures{by: make(map[fleet.UserID]*failure)}, created: limit.New[fleet.UserID](tokenBurst, tokenInterval, tokenMakers),
	}
}
