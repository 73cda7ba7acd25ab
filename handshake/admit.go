package handshake

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/limit"
)

// Claim is who a connection claims to be, and its proof.
type Claim struct {
	ID      fleet.DeviceID // the MQTT client id, without a team
	User    string
	Secret  []byte // not kept
	Address string // of the peer, without port
}

// MaxSecret bounds the secret that is hashed, in bytes.
const MaxSecret = 1 << 10

// unauthenticated is the error for every peer without a proof. Its text is for the log only:
// the peer learns its kind, which is always the same (docs/protocol.md, "Connection").
func unauthenticated(r Refusal) error {
	return fleet.Errorf(fleet.Unauthenticated, "not authenticated: %s", r)
}

// Admit checks the claim against the records of the devices that have the id, which it loads in one
// round trip, and returns a new session of the one whose secret it is. A user name of the form id@team
// names one record. Errors: fleet.Unauthenticated, after the same work each time, for
// an unknown id, a wrong secret, a user name of another form and a BLE device;
// fleet.Disabled after a valid proof; fleet.Busy, without waiting, when too many admissions
// are in progress; fleet.Unavailable from the store.
//
// A secret has too many bits to guess, so failed proofs never refuse the right one
// (docs/protocol.md, "Refusals"). They only put the claims of that id or address in a queue
// for the few admissions they share.
func (s *Service) Admit(ctx context.Context, claim Claim) (*Session, error) {
	suspected := s.byID.Exhausted(claim.ID.String()) || s.byAddress.Exhausted(limit.Network(claim.Address))
	if suspected {
		select {
		case s.suspects <- struct{}{}:
			defer func() { <-s.suspects }()
		case <-ctx.Done():
			return nil, fleet.Errorf(fleet.Busy, "the server is shutting down: %w", ctx.Err())
		}
	}
	select {
	case s.admissions <- struct{}{}:
		defer func() { <-s.admissions }()
	default:
		s.refused[Saturated].Add(1)
		return nil, fleet.Errorf(fleet.Busy, "too many admissions at once: try again later")
	}
	candidates, err := s.candidates(ctx, claim)
	if err != nil {
		return nil, err
	}
	d, refusal := prove(candidates, claim)
	if d == nil {
		return nil, s.refuse(claim, candidates, refusal, suspected)
	}
	if d.Disabled {
		s.refused[SwitchedOff].Add(1)
		return nil, fleet.Errorf(fleet.Disabled, "device %s is disabled", d.ID)
	}
	s.admitted.Add(1)
	return (&Session{address: claim.Address}).begun(d, s.node), nil
}

// refuse counts a failed proof of all candidates, and returns the error for it.
func (s *Service) refuse(claim Claim, candidates []fleet.Device, why Refusal, suspected bool) error {
	if suspected {
		s.suspect(claim)
		why = Throttled
	} else {
		s.charge(claim)
	}
	for i := range candidates {
		if guess, alert := s.guesses.add(&candidates[i], claim.Address, suspected); alert {
			s.guessed(guess)
		}
	}
	s.refused[why].Add(1)
	return unauthenticated(why)
}

// charge counts a failed proof against its id and address, as far as they are known.
func (s *Service) charge(claim Claim) {
	if claim.ID != "" {
		s.byID.Charge(claim.ID.String())
	}
	if claim.Address != "" {
		s.byAddress.Charge(limit.Network(claim.Address))
	}
}

// suspect logs that somebody seems to guess secrets, unless it did so a moment ago.
func (s *Service) suspect(claim Claim) {
	if s.warnings.Allow() {
		s.log.Warn("too many failed proofs: somebody guesses secrets, or a device has a wrong one",
			"address", claim.Address, "device", claim.ID)
	}
}

// candidates loads the devices that claim may be of, at most fleet.MostNamesakes.
func (s *Service) candidates(ctx context.Context, claim Claim) ([]fleet.Device, error) {
	team, named := teamOf(claim)
	if !named {
		return s.devices.Namesakes(ctx, claim.ID)
	}
	d, err := s.load(ctx, claim.ID.In(team))
	switch {
	case errors.Is(err, fleet.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []fleet.Device{*d}, nil
}

// load returns the record of a device. A record takes a kilobyte, several times in a caller that it
// is inlined into: most of the stack of a goroutine that serves a connection.
//
//go:noinline
func (s *Service) load(ctx context.Context, id fleet.DeviceID) (*fleet.Device, error) {
	d, err := s.devices.Device(ctx, id)
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// teamOf returns the team that the user name of a claim names: id@team.
func teamOf(claim Claim) (team fleet.TeamID, ok bool) {
	if claim.User == claim.ID.String() {
		return 0, false // without the allocations
	}
	text, ok := strings.CutPrefix(claim.User, claim.ID.String()+"@")
	n, err := strconv.ParseUint(text, 10, 32)
	return fleet.TeamID(n), ok && err == nil && n > 0
}

// prove returns the candidate whose secret claim has, the oldest of several, or nil and why there is
// none. It does the same work whatever is wrong: one hash and fleet.MostNamesakes comparisons, with
// zero records for those that are missing.
func prove(candidates []fleet.Device, claim Claim) (d *fleet.Device, refusal Refusal) {
	secret := claim.Secret
	if len(secret) > MaxSecret {
		secret = nil // which never matches
	}
	hash := fleet.Secret(sha256.Sum256(secret))
	found := -1
	for i := range fleet.MostNamesakes {
		var known fleet.Secret
		if i < len(candidates) {
			known = candidates[i].Secret
		}
		if subtle.ConstantTimeCompare(hash[:], known[:]) == 1 && len(secret) > 0 && found < 0 && i < len(candidates) {
			found = i
		}
	}
	_, named := teamOf(claim)
	switch {
	case len(candidates) == 0:
		return nil, UnknownDevice
	case found < 0:
		return nil, WrongSecret
	case claim.User != claim.ID.String() && !named:
		return nil, WrongName
	case candidates[found].Kind == fleet.BLE:
		return nil, NoLink
	case len(candidates) > 1:
		return new(candidates[found]), 0 // not to keep the others in memory
	}
	return &candidates[found], 0
}
