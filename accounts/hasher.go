package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
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
	strangers *lane
	known     *lane
	decoy     string // encoded hash of no password, checked for unknown users
}

func newHasher(c Config) *hasher {
	h := &hasher{memory: c.HashMemory, strangers: newLane(c.Hashers, c.HashQueue, max(1, c.HashQueue/8)), known: newLane(1, c.HashQueue, 0)}
	h.decoy = h.encode(make([]byte, saltBytes), make([]byte, hashBytes), c.HashMemory, hashPasses)
	return h
}

// hash encodes a new password, which only signed-in and invited users may set. It returns
// fleet.Invalid for one out of bounds, and fleet.Busy if too many wait.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := fleet.CheckPassword(password); err != nil {
		return "", err
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	key, err := h.derive(ctx, prover{known: "user"}, password, salt, h.memory, hashPasses)
	return h.encode(salt, key, h.memory, hashPasses), err
}

// check reports whether encoded was made from the password that who offers. For an account
// without a password, encoded is "" and the answer takes the same time.
func (h *hasher) check(ctx context.Context, who prover, encoded, password string) (bool, error) {
	known := encoded != ""
	if !known {
		encoded = h.decoy
	}
	salt, want, memory, passes, ok := decode(encoded)
	if !ok || len(password) > fleet.MaxPassword {
		return false, nil
	}
	key, err := h.derive(ctx, who, password, salt, memory, passes)
	return err == nil && known && subtle.ConstantTimeCompare(key, want) == 1, err
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

func (h *hasher) derive(ctx context.Context, who prover, password string, salt []byte, memory, passes uint32) ([]byte, error) {
	l := h.strangers
	if who.known != "" {
		l = h.known
	}
	leave, err := l.enter(ctx, who.network())
	if err != nil {
		return nil, err
	}
	defer leave()
	return argon2.IDKey([]byte(password), salt, passes, memory, hashLanes, hashBytes), nil
}
