package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

// MaxAccounts is how many users may have one email (docs/adr/0039).
const MaxAccounts = 64

// CreateUser stores a new user and returns it with its id; fleet.Conflict when MaxAccounts users have
// this email.
func (s *Teams) CreateUser(ctx context.Context, u fleet.User) (fleet.User, error) {
	id, err := s.core.claims.Next(ctx, keys.Counter("user"))
	if err != nil {
		return fleet.User{}, err
	}
	u.ID = fleet.UserID(id)
	if err := s.claimEmail(ctx, u.Email, u.ID); err != nil {
		return fleet.User{}, err
	}
	a := accountKind.Clone(&account{})
	a.user = u
	if err := s.accounts.Create(ctx, u.ID, a); err != nil {
		return fleet.User{}, errors.Join(err, s.core.claims.Unclaim(ctx, keys.Email(u.Email), id))
	}
	return u, nil
}

func (s *Teams) claimEmail(ctx context.Context, email string, user fleet.UserID) error {
	ours, err := s.core.claims.Claim(ctx, keys.Email(email), uint32(user), MaxAccounts)
	if err == nil && !ours {
		err = &fleet.Error{Kind: fleet.Conflict, Field: "email", Text: fmt.Sprintf("the email %s has %d accounts already", email, MaxAccounts)}
	}
	return err
}

// User returns a user; fleet.NotFound when there is none.
func (s *Teams) User(ctx context.Context, id fleet.UserID) (fleet.User, error) {
	a, err := s.accounts.Live(ctx, id)
	if err != nil {
		return fleet.User{}, err
	}
	return a.user, nil
}

// UsersByEmail returns the users with an email, oldest first, at most MaxAccounts.
func (s *Teams) UsersByEmail(ctx context.Context, email string) (users []fleet.User, err error) {
	ids, err := s.core.claims.Owners(ctx, keys.Email(email))
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		u, err := s.User(ctx, fleet.UserID(id))
		if errors.Is(err, fleet.NotFound) { // it is being created, or its creation was cut off
			continue
		}
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

// EditUser changes a user and returns what was written; fleet.Invalid for another email. change
// may run several times.
func (s *Teams) EditUser(ctx context.Context, id fleet.UserID, change func(*fleet.User) error) (fleet.User, error) {
	a, err := s.accounts.Edit(ctx, id, func(a *account) error {
		email := a.user.Email
		if err := change(&a.user); err != nil {
			return err
		}
		if a.user.Email != email {
			return fleet.FieldErrorf("email", "the email of a user can't change")
		}
		return nil
	})
	if err != nil {
		return fleet.User{}, err
	}
	return a.user, nil
}

// DeleteUser removes a user with their tokens and memberships; fleet.Conflict when they own a
// team.
func (s *Teams) DeleteUser(ctx context.Context, id fleet.UserID) error {
	a, err := s.accounts.Load(ctx, id)
	if err != nil {
		return err
	}
	for team := range a.teams {
		if err := s.RemoveMember(ctx, team, id); err != nil && !errors.Is(err, fleet.NotFound) {
			return err
		}
	}
	for token := range a.tokens {
		if err := s.dropToken(ctx, token); err != nil {
			return err
		}
	}
	if err := s.core.claims.Unclaim(ctx, keys.Email(a.user.Email), uint32(id)); err != nil {
		return err
	}
	return s.accounts.Remove(ctx, id)
}

// maxTokens bounds the tokens of one user.
const maxTokens = 1000

// CreateToken stores a token, whose id must be new and whose user must exist; fleet.Busy when they
// have 1000 tokens.
func (s *Teams) CreateToken(ctx context.Context, t fleet.Token) error {
	_, err := s.accounts.Edit(ctx, t.User, func(a *account) error {
		if len(a.tokens) >= maxTokens {
			return fleet.Errorf(fleet.Busy, "this user has %d tokens: revoke some", maxTokens)
		}
		a.tokens[t.ID] = true
		return nil
	})
	if err != nil {
		return err
	}
	return s.core.Do(ctx, keys.Token(t.ID), func(p redis.Pipeliner) redis.Cmder {
		return p.Set(context.Background(), keys.Token(t.ID), record.Token.Pack(&t), 0)
	})
}

// Token returns the token with this public part, also an expired one; fleet.NotFound when there
// is none.
func (s *Teams) Token(ctx context.Context, id string) (fleet.Token, error) {
	text, err := pipeline.Fetch(ctx, s.core.Pipeline, keys.Token(id), func(p redis.Pipeliner) pipeline.Result[string] { return p.Get(context.Background(), keys.Token(id)) })
	if absent(err) {
		return fleet.Token{}, fleet.Errorf(fleet.NotFound, "no such token")
	}
	if err != nil {
		return fleet.Token{}, err
	}
	var t fleet.Token
	err = record.Token.Unpack(text, &t)
	return t, err
}

// TokenUsed keeps t.Used and t.From; it changes nothing if the token was deleted.
func (s *Teams) TokenUsed(ctx context.Context, t fleet.Token) error {
	return s.core.Do(ctx, keys.Token(t.ID), func(p redis.Pipeliner) redis.Cmder {
		return p.SetArgs(context.Background(), keys.Token(t.ID), record.Token.Pack(&t), redis.SetArgs{Mode: "XX"})
	})
}

// Tokens returns the tokens of a user for a team, 0 for all teams, newest first.
func (s *Teams) Tokens(ctx context.Context, team fleet.TeamID, user fleet.UserID) ([]fleet.Token, error) {
	a, err := s.accounts.Live(ctx, user)
	if err != nil {
		return nil, err
	}
	var tokens []fleet.Token
	for id := range a.tokens {
		t, err := s.Token(ctx, id)
		if errors.Is(err, fleet.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if team == 0 || t.Team == team {
			tokens = append(tokens, t)
		}
	}
	slices.SortFunc(tokens, func(a, b fleet.Token) int { return b.Created.Compare(a.Created) })
	return tokens, nil
}

// DeleteToken removes a token; fleet.NotFound when there is none.
func (s *Teams) DeleteToken(ctx context.Context, id string) error {
	t, err := s.Token(ctx, id)
	if err != nil {
		return err
	}
	if err := s.dropToken(ctx, id); err != nil {
		return err
	}
	_, err = s.accounts.Edit(ctx, t.User, func(a *account) error {
		delete(a.tokens, id)
		return nil
	})
	if errors.Is(err, fleet.NotFound) {
		return nil
	}
	return err
}

func (s *Teams) dropToken(ctx context.Context, id string) error {
	return s.core.Do(ctx, keys.Token(id), func(p redis.Pipeliner) redis.Cmder { return p.Del(context.Background(), keys.Token(id)) })
}
