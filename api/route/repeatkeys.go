package route

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// repeatKeys is what an Idempotency-Key is kept by. All of it comes from the token's secret,
// of which the server keeps no more than a hash: who reads the store learns neither keys nor
// bodies nor answers, and another token finds nothing.
type repeatKeys struct {
	id     string // names the record
	secret []byte // the token's
	scope  []string
}

func newRepeatKeys(secret, request, key string) repeatKeys {
	k := repeatKeys{secret: []byte(secret), scope: []string{request, key}}
	k.id = hex.EncodeToString(k.derive("id", nil))
	return k
}

// code tells whether two bodies are the same and nothing else of them.
func (k repeatKeys) code(body []byte) []byte { return k.derive("body", body) }

// derive is a key of 32 bytes for one purpose (HMAC-SHA256; each part goes in with its length).
func (k repeatKeys) derive(purpose string, body []byte) []byte {
	mac := hmac.New(sha256.New, k.secret)
	for _, part := range append([]string{"muster idempotency", purpose}, k.scope...) {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	mac.Write(body)
	return mac.Sum(nil)
}

func (k repeatKeys) box() cipher.AEAD {
	block, err := aes.NewCipher(k.derive("answer", nil))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block is AES's
	}
	return box
}

// seal encrypts an answer.
func (k repeatKeys) seal(plain []byte) []byte { return k.box().Seal(nil, nil, plain, nil) }

// open is the inverse of seal.
func (k repeatKeys) open(sealed []byte) ([]byte, error) {
	plain, err := k.box().Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, errors.New("a kept answer can't be opened: was the store changed?")
	}
	return plain, nil
}
