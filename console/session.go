package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
)

// Names of cookies. The first holds a token of the registry: signing out ends it there.
const (
	sessionCookie = "muster_session"
	noticeCookie  = "muster_notice"
	productCookie = "muster_product" // slug of the product last looked at
)

// signInForm is what the form shows again after a wrong proof.
type signInForm struct {
	Email, Next, Problem string
	Team                 fleet.TeamID // 0: the user's oldest
	TeamName             string
}

func (v *visit) signInPage() error {
	return v.show("signin", "Sign in", signInForm{Next: local(v.text("next"))})
}

func (v *visit) signIn() error {
	team, _ := strconv.ParseUint(v.text("team"), 10, 32) // what is no number is no team
	form := signInForm{Email: v.text("email"), Next: local(v.text("next")), Team: fleet.TeamID(team), TeamName: v.text("team_name")}
	secret, _, err := v.registry.SignIn(v.ctx(), fleet.SignIn{
		Email: form.Email, Password: v.r.PostFormValue("password"), Team: form.Team,
		Address: v.address(), Lifetime: v.config.Session,
	})
	if errors.Is(err, fleet.Unauthenticated) || errors.Is(err, fleet.Busy) {
		form.Problem = sentence(err)
		v.code = status(err)
		return v.show("signin", "Sign in", form)
	}
	if err != nil {
		return err
	}
	v.endSession() // of the team before
	http.SetCookie(v.w, &http.Cookie{
		Name: sessionCookie, Value: secret, Path: "/", MaxAge: int(v.config.Session.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.secure(),
	})
	if form.Next == "" {
		form.Next = "/"
	}
	http.Redirect(v.w, v.r, form.Next, http.StatusSeeOther)
	return nil
}

func (v *visit) signOut() error {
	if err := v.registry.SignOut(v.ctx(), v.actor, v.secret); err != nil {
		return err
	}
	v.streams.end(v.secret)
	http.SetCookie(v.w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.secure()})
	return v.redirect("/sign-in")
}

// endSession ends the session the browser came with, if it has one. That it was over
// already is no error.
func (v *visit) endSession() {
	cookie, err := v.r.Cookie(sessionCookie)
	if err != nil {
		return
	}
	if actor, err := v.registry.Actor(v.ctx(), cookie.Value); err == nil {
		_ = v.registry.SignOut(v.ctx(), actor, cookie.Value) // it expires by itself otherwise
		v.streams.end(cookie.Value)
	}
}

// switchPage asks for the password again: a session belongs to one team.
func (v *visit) switchPage() error {
	teams, err := v.registry.Teams(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	for _, t := range teams {
		if t.Team.ID.String() == v.text("team") {
			return v.show("signin", "Sign in to "+t.Team.Name, signInForm{Email: v.actor.Email, Team: t.Team.ID, TeamName: t.Team.Name})
		}
	}
	return fleet.Errorf(fleet.NotFound, "you are in no such team")
}

func (v *visit) toSignIn() error {
	to := "/sign-in"
	if v.r.Method == http.MethodGet && !v.fragment() && v.r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	return v.redirect(to)
}

// local is path if it leads to a page of ours, "" otherwise.
func local(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return ""
	}
	return path
}
