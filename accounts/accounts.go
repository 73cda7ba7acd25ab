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
	"github.com/muster-iot/muster/store"
)

// Config is what Accounts works with. Zero limits take the defaults.
type Config struct {
	Teams *store.Teams
	Audit *audit.Log

	TokenLifetime time.Duration // of a token created without one; default 90 days
	Hashers       int           // passwords hashed at the same time, 19 MiB each; default 2
	HashQueue     int           // sign-ins that wait for a hasher; default 32
	HashMemory    uint32        // KiB of one hash; default 19,456; tests lower it
}

func (c Config) withDefaults() Config {
	if c.TokenLifetime <= 0 {
		c.TokenLifetime = 90 * 24 * time.Hour
	}
	if c.Hashers <= 0 {
		c.Hashers = 2
	}
	if c.HashQueue <= 0 {
		c.HashQueue = 32
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
	hasher *hasher
	proofs []proofLimit
}

// New returns the Accounts kept in config.Teams.
func New(config Config) *Accounts {
	config = config.withDefaults()
	return &Accounts{config: config, teams: config.Teams, audit: config.Audit, hasher: newHasher(config), proofs: newProofLimits()}
}

// proofLimit bounds failed proofs of one kind: a password or an invitation's secret.
type proofLimit struct {
	key     func(fleet.SignIn) string
	limiter *limit.Limiter[string]
}

// newProofLimits bounds failed proofs per address, per account from one address, and per
// account, so that guessing is slow while a stranger can't easily lock out an account's
// owner.
func newProofLimits() []proofLimit {
	const keys = 10_000 // remembered by each limiter
	return []proofLimit{
		{func(p fleet.SignIn) string { return p.Address }, limit.New[string](30, 10*time.Second, keys)},
		{func(p fleet.SignIn) string { return p.Address + " " + p.Email }, limit.New[string](10, time.Minute, keys)},
		{func(p fleet.SignIn) string { return p.Email }, limit.New[string](100, 10*time.Second, keys)},
	}
}

// try uses up one attempt at proof and returns a function that gives it back, for a proof
// that turned out right or could not be checked. It returns fleet.Busy if none is left.
func (a *Accounts) try(proof fleet.SignIn) (giveBack func(), err error) {
	refund := func(taken []proofLimit) {
		for _, l := range taken {
			l.limiter.Refund(l.key(proof))
		}
	}
	for i, l := range a.proofs {
		if !l.limiter.Take(l.key(proof)) {
			refund(a.proofs[:i])
			return nil, fleet.Errorf(fleet.Busy, "too many failed sign-ins: try again in a minute")
		}
	}
	return func() { refund(a.proofs) }, nil
}
