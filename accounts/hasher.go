package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/muster-iot/muster/fleet"
)

// Parameters of argon2id besides its memory (RFC 9106 §3.1; OWASP's minimum).
const (
	hashPasses = 2
	hashLanes  = 1
	hashBytes  = 32
	saltBytes  = 16
)

// hasher hashes passwords, a few at a time. Known browsers and signed-in users have a lane of
// their own, which strangers can't fill.
type hasher struct {
	memory    uint32 // KiB
	strangers *line
	known     *lane
	decoy     string // encoded hash of no password, checked for unknown users
}

func newHasher(c Config) *hasher {
	h := &hasher{memory: c.HashMemory, strangers: newLine(c.Hashers, c.HashQueue), known: newLane(1, c.HashQueue)}
	h.decoy = h.encode(make([]byte, saltBytes), make([]byte, hashBytes), c.HashMemory, hashPasses)
	return h
}

// hash encodes a new password, which only signed-in and invited users may set. It returns
// fleet.Invalid for one out of bounds, and fleet.Busy if too many wait.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := fleet.CheckPassword(password); err != nil {
		return "", err
	}
	leave, err := h.known.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	return h.encode(salt, derive(password, salt, h.memory, hashPasses), h.memory, hashPasses), nil
}

// check returns which of users has the password offered by who, -1 for none. Where no user has a
// password, the answer takes as long as where one has.
func (h *hasher) check(ctx context.Context, who prover, users []fleet.User, password string) (which int, err error) {
	if len(password) > fleet.MaxPassword {
		return -1, nil
	}
	leave, err := h.enter(ctx, who)
	if err != nil {
		return -1, err
	}
	which = slices.IndexFunc(users, func(u fleet.User) bool { return u.Password != "" && matches(u.Password, password) })
	if !slices.ContainsFunc(users, func(u fleet.User) bool { return u.Password != "" }) {
		matches(h.decoy, password)
	}
	leave(which < 0)
	return which, nil
}

// matches reports whether encoded was made from password.
func matches(encoded, password string) bool {
	salt, want, memory, passes, ok := decode(encoded)
	return ok && subtle.ConstantTimeCompare(derive(password, salt, memory, passes), want) == 1
}

// decode is the inverse of encode.
func decode(encoded string) (salt, key []byte, memory, passes uint32, ok bool) {
	parts := strings.Split(encoded, "$") // "", argon2id, v=19, m=..,t=..,p=.., salt, key
	if len(parts) != 6 {
		return nil, nil, 0, 0, false
	}
	var lanes uint8
	_, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes)
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	return salt, key, memory, passes, errors.Join(err, err1, err2) == nil && lanes == hashLanes
}

func (h *hasher) encode(salt, key []byte, memory, passes uint32) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, hashLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// enter waits for a core, as long as who has to.
func (h *hasher) enter(ctx context.Context, who prover) (leave func(wrong bool), err error) {
	if who.known == "" {
		return h.strangers.enter(ctx, who)
	}
	free, err := h.known.enter(ctx)
	return func(wrong bool) {
		free()
		if !wrong {
			h.strangers.right.Take(who.home())
		}
	}, err
}

func derive(password string, salt []byte, memory, passes uint32) []byte {
	return argon2.IDKey([]byte(password), salt, passes, memory, hashLanes, hashBytes)
}
