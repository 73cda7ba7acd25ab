package console

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// visit is one request with who makes it.
type visit struct {
	*Console
	w       http.ResponseWriter
	r       *http.Request
	began   time.Time
	actor   fleet.Actor   // the zero Actor before sign-in
	secret  string        // of the session
	product fleet.Product // the one the path names, if it names one
	code    int           // HTTP status of the answer; 0: 200
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// fragment reports whether htmx asks, for a part of a page.
func (v *visit) fragment() bool { return v.r.Header.Get("HX-Request") != "" }

// on makes a handler of a page about one thing.
func on[P ~struct{ *visit }](h func(P) error) func(*visit) error {
	return func(v *visit) error { return h(P{v}) }
}

// open serves a page to anyone.
func (c *Console) open(h func(*visit) error) http.HandlerFunc {
	return c.serve(formTimeout, maxForm, h)
}

// member serves a page to who is signed in.
func (c *Console) member(h func(*visit) error) http.HandlerFunc {
	return c.serve(formTimeout, maxForm, signedIn(h))
}

// inProduct serves a page about the product in its path.
func (c *Console) inProduct(h func(*visit) error) http.HandlerFunc {
	return c.serve(formTimeout, maxForm, signedIn(ofProduct(h)))
}

// uploading is inProduct for a body as long as an image.
func (c *Console) uploading(h func(*visit) error) http.HandlerFunc {
	return c.serve(uploadTimeout, c.config.MaxImage+maxForm, signedIn(ofProduct(h)))
}

func (c *Console) serve(timeout time.Duration, limit int64, h func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Console: c, w: w, r: r, began: time.Now()}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // a test's recorder has none
			r.Body = http.MaxBytesReader(w, r.Body, limit)
		}
		if err := h(v); err != nil {
			v.fail(err)
		}
	}
}

// signedIn finds out who asks, and sends who is not signed in to do that.
func signedIn(h func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		cookie, err := v.r.Cookie(sessionCookie)
		if err != nil {
			return v.toSignIn()
		}
		v.secret = cookie.Value
		v.actor, err = v.accounts.Actor(v.ctx(), v.secret)
		if errors.Is(err, fleet.Unauthenticated) {
			return v.toSignIn()
		}
		if err != nil {
			return err
		}
		return h(v)
	}
}

// ofProduct finds the product the path names.
func ofProduct(h func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		p, err := v.registry.Product(v.ctx(), v.actor, v.r.PathValue("product"))
		if err != nil {
			return err
		}
		v.product = p
		v.history.Follow(p)
		return h(v)
	}
}

// redirect sends the browser on after a form, or answers htmx so that it goes there.
func (v *visit) redirect(to string) error {
	if v.fragment() {
		v.w.Header().Set("HX-Redirect", to)
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// notice is a sentence for the next page, and where it leads; the zero notice is none.
type notice struct{ Text, Link, Label string }

// done redirects with a sentence that the next page shows.
func (v *visit) done(to, said string) error { return v.doneWith(to, notice{Text: said}) }

// after is done when err is nil, and returns err otherwise.
func (v *visit) after(err error, to, said string) error {
	if err != nil {
		return err
	}
	return v.done(to, said)
}

// doneWith is done with a link beside the sentence.
func (v *visit) doneWith(to string, n notice) error {
	http.SetCookie(v.w, &http.Cookie{
		Name: noticeCookie, Value: url.QueryEscape(url.Values{"text": {n.Text}, "link": {n.Link}, "label": {n.Label}}.Encode()), Path: "/", MaxAge: 60,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.secure(),
	})
	return v.redirect(to)
}

// notice is what done left, once.
func (v *visit) notice() notice {
	cookie, err := v.r.Cookie(noticeCookie)
	if err != nil {
		return notice{}
	}
	http.SetCookie(v.w, &http.Cookie{Name: noticeCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	text, _ := url.QueryUnescape(cookie.Value) // what can't be read is not shown
	left, _ := url.ParseQuery(text)
	return notice{left.Get("text"), local(left.Get("link")), left.Get("label")}
}

// secure reports whether the browser came over TLS, here or at a proxy in front.
func (v *visit) secure() bool {
	return v.r.TLS != nil || v.r.Header.Get("X-Forwarded-Proto") == "https"
}

// address is the peer's, without port.
func (v *visit) address() string {
	if host, _, err := net.SplitHostPort(v.r.RemoteAddr); err == nil {
		return host
	}
	return v.r.RemoteAddr
}

// may is fleet.May about the team: nil when the actor may.
func (v *visit) may(a fleet.Action) error {
	return fleet.May(v.actor, a, fleet.Object{Team: v.actor.Team})
}

// takes is "requires the admin role; yours is viewer" if the actor may not do a, "" if they may.
func (v *visit) takes(a fleet.Action) string {
	if v.may(a) == nil {
		return ""
	}
	for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor, fleet.Admin} {
		if fleet.May(fleet.Actor{Team: v.actor.Team, Role: role}, a, fleet.Object{Team: v.actor.Team}) == nil {
			return "requires the " + role.String() + " role; yours is " + v.actor.Role.String()
		}
	}
	return "requires the owner role; yours is " + v.actor.Role.String()
}

// text is a form's or query's field without spaces around it.
func (v *visit) text(name string) string { return strings.TrimSpace(v.r.FormValue(name)) }

// seen is the tag of what the form showed, so that an edit of someone else in between is
// not undone unread.
func (v *visit) seen() string { return v.text("seen") }

// names are the values of a field that is there several times, without the empty ones.
func (v *visit) names(field string) []string {
	_ = v.text(field) // has the form read
	names := []string{}
	for _, name := range v.r.Form[field] {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// at is a path below the product's.
func (v *visit) at(path string) string { return "/p/" + v.product.Slug + path }
