package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/accounts"
	"github.com/muster-iot/muster/fleet"
)

// accountPages sign users in and out, and show their account.
type accountPages struct{ *visit }

// Names of cookies, which name extends where the browser uses TLS. The first holds a token of accounts; signing out revokes it.
const (
	sessionCookie = "muster_session"
	noticeCookie  = "muster_notice"
	productCookie = "muster_product" // slug of the product last viewed
	browserCookie = "muster_browser" // mark of accounts.KnownBrowser
)

// signInForm is what the form shows again after a failed sign-in.
type signInForm struct {
	Email, Next, Problem string
}

func (v accountPages) signInPage() error {
	return v.show("signin", "Sign in", signInForm{Next: local(v.text("next"))})
}

func (v accountPages) signIn() error {
	form := signInForm{Email: v.text("email"), Next: local(v.text("next"))}
	secret, token, err := v.accounts.SignIn(v.ctx(), fleet.SignIn{
		Email: form.Email, Password: v.r.PostFormValue("password"), Address: v.address(), Browser: v.browser(), Lifetime: v.config.Session,
	})
	if errors.Is(err, fleet.Unauthenticated) || errors.Is(err, fleet.Busy) {
		form.Problem = sentence(err)
		v.code = status(err)
		return v.show("signin", "Sign in", form)
	}
	if err != nil {
		return err
	}
	v.endSession() // of an earlier sign-in
	v.rememberBrowser(token.User)
	v.keepSession(secret, v.config.Session)
	if form.Next == "" {
		form.Next = "/"
	}
	http.Redirect(v.w, v.r, form.Next, http.StatusSeeOther)
	return nil
}

// cookie is the name under which the browser keeps a cookie. With TLS its prefix has the browser
// accept it from this host over TLS only (RFC 6265bis, section 4.1.3): neither a neighboring
// host nor somebody in the network can plant one.
func (v *visit) cookie(name string) string {
	if v.secure() {
		return "__Host-" + name
	}
	return name
}

// browser returns the mark of an earlier sign-in with this browser, "" without one.
func (v *visit) browser() string {
	cookie, err := v.r.Cookie(v.cookie(browserCookie))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// rememberBrowser marks the browser as one that the user signed in with. It ignores errors: the
// next sign-in is a stranger's then.
func (v *visit) rememberBrowser(user fleet.UserID) {
	mark, err := v.accounts.KnownBrowser(v.ctx(), user)
	if err != nil {
		return
	}
	http.SetCookie(v.w, &http.Cookie{
		Name: v.cookie(browserCookie), Value: mark, Path: "/", MaxAge: int(accounts.BrowserLifetime.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.secure(),
	})
}

// keepSession stores the session's secret in a cookie.
func (v *visit) keepSession(secret string, lifetime time.Duration) {
	http.SetCookie(v.w, &http.Cookie{
		Name: v.cookie(sessionCookie), Value: secret, Path: "/", MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.secure(),
	})
}

func (v accountPages) signOut() error {
	if err := v.accounts.SignOut(v.ctx(), v.actor, v.secret); err != nil {
		return err
	}
	v.streams.End(v.secret)
	http.SetCookie(v.w, &http.Cookie{Name: v.cookie(sessionCookie), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.secure()})
	return v.redirect("/sign-in")
}

// endSession ends the session of the request's cookie, if there is one. It ignores errors: the
// session may have ended already.
func (v *visit) endSession() {
	cookie, err := v.r.Cookie(v.cookie(sessionCookie))
	if err != nil {
		return
	}
	if actor, err := v.accounts.Actor(v.ctx(), cookie.Value); err == nil {
		_ = v.accounts.SignOut(v.ctx(), actor, cookie.Value) // otherwise it expires
		v.streams.End(cookie.Value)
	}
}

// switchTeam switches to another of the user's teams.
func (v accountPages) switchTeam() error {
	team, err := strconv.ParseUint(v.text("team"), 10, 32)
	if err != nil {
		return fleet.Errorf(fleet.NotFound, "you are not a member of that team")
	}
	if err := v.switchTo(fleet.TeamID(team)); err != nil {
		return err
	}
	return v.redirect("/")
}

// switchTo turns the session into one of another team, without a password.
func (v *visit) switchTo(team fleet.TeamID) error {
	secret, token, err := v.accounts.Switch(v.ctx(), v.actor, v.secret, team)
	if err != nil {
		return err
	}
	v.streams.End(v.secret)
	v.keepSession(secret, token.Expires.Sub(token.Created))
	return nil
}

func (v *visit) toSignIn() error {
	to := "/sign-in"
	if v.r.Method == http.MethodGet && !v.fragment() && v.r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	return v.redirect(to)
}

// local returns path if it is on this server, "" otherwise.
func local(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return ""
	}
	return path
}
