package route

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
)

// repeatKeys is what an Idempotency-Key is kept by. All of it is derived from the token's
// secret, of which the server keeps only a hash: the store reveals neither keys nor bodies
// nor answers, and another token finds nothing.
type repeatKeys struct {
	id     string // names the record
	secret []byte // the token's
	scope  string // the request and its key, quoted
}

func newRepeatKeys(secret, request, key string) repeatKeys {
	k := repeatKeys{secret: []byte(secret), scope: strconv.Quote(request) + strconv.Quote(key)}
	k.id = hex.EncodeToString(k.derive("id"))
	return k
}

// code reveals whether two bodies are the same, and nothing else about them.
func (k repeatKeys) code(body []byte) []byte {
	mac := hmac.New(sha256.New, k.derive("body"))
	mac.Write(body)
	return mac.Sum(nil)
}

// derive returns a key of 32 bytes for one purpose (RFC 5869).
func (k repeatKeys) derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, k.secret, nil, "muster idempotency "+purpose+" "+k.scope, sha256.Size)
	if err != nil {
		panic(err) // only for longer keys
	}
	return key
}

func (k repeatKeys) box() cipher.AEAD {
	block, err := aes.NewCipher(k.derive("answer"))
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
		return nil, errors.New("a stored answer can't be decrypted: was the store changed?")
	}
	return plain, nil
}
