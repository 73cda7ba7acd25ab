package accounts

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
)

// prover is who offers a password or another secret.
type prover struct {
	address string
	account string // an email
	known   string // a browser that this account signed in with before, or a session; "": a stranger
}

func (p prover) network() string { return limit.Network(p.address) }

// origins are what the prover's failures count for, from narrow to wide: whoever uses many addresses
// of one network, or many networks of one site, looks like one who has failed a lot.
func (p prover) origins() []string {
	return slices.Compact([]string{p.address, p.network(), limit.Site(p.address)})
}

// browser names the account's known browser.
func (p prover) browser() string { return p.known + " " + p.account }

// home names where the account's user may have signed in before.
func (p prover) home() string { return limit.Site(p.address) + " " + p.account }

// proofs bounds failed proofs that need no queue: those of a browser that its owner signed in
// with, which has attempts of its own, and those of invitations.
type proofs struct {
	known       *limit.Limiter[string]
	invitations *limit.Limiter[string] // by network
	throttled   atomic.Uint64
}

func newProofs() *proofs {
	return &proofs{
		known:       limit.New[string](10, time.Minute, limitedKeys),
		invitations: limit.New[string](30, 10*time.Second, limitedKeys),
	}
}

// try uses up one attempt of a known prover and returns a function that gives it back, for a
// proof that turned out right or could not be checked. It returns fleet.Busy if none is left.
func (p *proofs) try(who prover) (giveBack func(), err error) {
	key := who.browser()
	if !p.known.Take(key) {
		return nil, p.tooMany()
	}
	return func() { p.known.Refund(key) }, nil
}

// FailedElsewhere counts a wrong password at another server that shares the store, as if it had been offered
// here; browser is the id of a known one.
func (a *Accounts) FailedElsewhere(address, email, browser string) {
	who := prover{address: address, account: email, known: browser}
	if browser != "" {
		a.proofs.known.Charge(who.browser())
		return
	}
	a.hasher.strangers.charge(who)
}

// wrongInvitation is the answer to a secret of an invitation that proved wrong. A right one is
// never refused: nobody can guess 256 bits.
func (p *proofs) wrongInvitation(address string) error {
	if !p.invitations.Take(limit.Network(address)) {
		return p.tooMany()
	}
	return badInvitation()
}

func (p *proofs) tooMany() error {
	p.throttled.Add(1)
	return fleet.Errorf(fleet.Busy, "too many failed sign-ins: try again in a minute")
}
