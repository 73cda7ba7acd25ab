package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// BrowserLifetime is how long a browser stays known after a sign-in.
const BrowserLifetime = 365 * 24 * time.Hour

// KnownBrowser returns a mark for the browser that a user has just signed in with, for a cookie.
// A later sign-in that presents it as fleet.SignIn.Browser has attempts and a password hasher
// that strangers can't use up, whatever they do to the account or from its address. It proves
// nothing else, and a new password of the account voids it.
func (a *Accounts) KnownBrowser(ctx context.Context, user fleet.UserID) (mark string, err error) {
	u, err := a.teams.User(ctx, user)
	if err != nil {
		return "", err
	}
	return markBrowser(u, rand.Text(), a.clock.Now()), nil
}

// markBrowser returns "id.since.code". The code's key is the hash of the account's password,
// which only the server has.
func markBrowser(u fleet.User, id string, since time.Time) string {
	text := id + "." + strconv.FormatInt(since.Unix(), 36)
	mac := hmac.New(sha256.New, []byte(u.Password))
	mac.Write([]byte("muster known browser " + strconv.FormatUint(uint64(u.ID), 10) + " " + text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// knownBrowser returns the id in mark if u signed in with that browser, "" otherwise.
func knownBrowser(u fleet.User, mark string, now time.Time) string {
	parts := strings.Split(mark, ".")
	if u.Password == "" || len(parts) != 3 {
		return ""
	}
	seconds, err := strconv.ParseInt(parts[1], 36, 64)
	since := time.Unix(seconds, 0)
	if err != nil || now.Sub(since) > BrowserLifetime || !hmac.Equal([]byte(markBrowser(u, parts[0], since)), []byte(mark)) {
		return ""
	}
	return parts[0]
}
