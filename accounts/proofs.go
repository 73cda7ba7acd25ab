package accounts

import (
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
)

// prover is who offers a password or another secret.
type prover struct {
	address string
	account string // an email, or what else is proved
	known   string // a browser that this account signed in with before, or a session; "": a stranger
}

func (p prover) network() string { return limit.Network(p.address) }

// proofs bounds failed proofs, so that guessing is slow. Strangers can use up an account's
// attempts, but not those of a browser its owner signed in with.
type proofs struct {
	strangers []proofLimit
	known     *limit.Limiter[string]
	throttled atomic.Uint64
}

// proofLimit bounds failed proofs by one key.
type proofLimit struct {
	key     func(prover) string
	limiter *limit.Limiter[string]
}

// newProofs bounds strangers' failed proofs per network, per account from one network, and per
// account.
func newProofs() *proofs {
	const keys = 10_000 // remembered by each limiter
	return &proofs{
		strangers: []proofLimit{
			{prover.network, limit.New[string](30, 10*time.Second, keys)},
			{func(p prover) string { return p.network() + " " + p.account }, limit.New[string](10, time.Minute, keys)},
			{func(p prover) string { return p.account }, limit.New[string](100, 10*time.Second, keys)},
		},
		known: limit.New[string](10, time.Minute, keys),
	}
}

func (p *proofs) limits(who prover) []proofLimit {
	if who.known != "" {
		return []proofLimit{{func(who prover) string { return who.known + " " + who.account }, p.known}}
	}
	return p.strangers
}

// try uses up one attempt of who and returns a function that gives it back, for a proof that
// turned out right or could not be checked. It returns fleet.Busy if none is left.
func (p *proofs) try(who prover) (giveBack func(), err error) {
	refund := func(taken []proofLimit) {
		for _, l := range taken {
			l.limiter.Refund(l.key(who))
		}
	}
	limits := p.limits(who)
	for i, l := range limits {
		if !l.limiter.Take(l.key(who)) {
			refund(limits[:i])
			p.throttled.Add(1)
			return nil, fleet.Errorf(fleet.Busy, "too many failed sign-ins: try again in a minute")
		}
	}
	return func() { refund(limits) }, nil
}
