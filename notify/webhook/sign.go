package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The headers of a request (Standard Webhooks 1, "Webhook headers").
const (
	IDHeader        = "Webhook-Id"        // the same at each attempt
	TimestampHeader = "Webhook-Timestamp" // of this attempt, in Unix seconds
	SignatureHeader = "Webhook-Signature" // "v1," and the signature in base64; several with spaces between
)

// secretPrefix begins each secret; the key in base64 follows.
const secretPrefix = "whsec_"

const keySize = 32 // bytes; the specification asks for 24 to 64

// NewSecret returns a random secret.
func NewSecret() string {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// Sign returns the signature header of a body that is sent at this time under this id.
func Sign(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil {
		return "", err
	}
	return "v1," + base64.StdEncoding.EncodeToString(mac(key, id, strconv.FormatInt(at.Unix(), 10), body)), nil
}

func mac(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

// Tolerance is how far the time of a request may be from the receiver's.
const Tolerance = 5 * time.Minute

// Verify checks the three headers of a request as a receiver should: the signature and, against
// repetitions by others, the time.
func Verify(secret, id, timestamp, signatures string, body []byte, now time.Time) error {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("the timestamp is not a number")
	}
	if age := now.Sub(time.Unix(seconds, 0)).Abs(); age > Tolerance {
		return errors.New("the timestamp is too far from now")
	}
	want, err := Sign(secret, id, time.Unix(seconds, 0), body)
	if err != nil {
		return err
	}
	for given := range strings.FieldsSeq(signatures) {
		if hmac.Equal([]byte(given), []byte(want)) {
			return nil
		}
	}
	return errors.New("no signature fits")
}
