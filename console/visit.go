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

// visit is one request and the user who makes it.
type visit struct {
	*Console
	w       http.ResponseWriter
	r       *http.Request
	began   time.Time
	actor   fleet.Actor   // the zero Actor before sign-in
	secret  string        // of the session
	product fleet.Product // the one in the path; zero: none
	code    int           // HTTP status of the answer; 0: 200
	gone    bool          // the page showed a secret once, and is loaded again
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// fragment reports whether htmx requests a part of a page.
func (v *visit) fragment() bool { return v.r.Header.Get("HX-Request") != "" }

// on makes a handler from a method of a page type.
func on[P ~struct{ *visit }](h func(P) error) func(*visit) error {
	return func(v *visit) error { return h(P{v}) }
}

// open serves a page without a sign-in.
func (c *Console) open(h func(*visit) error) http.HandlerFunc {
	return c.serve(formTimeout, maxOpenForm, h)
}

// member serves a page to signed-in users.
func (c *Console) member(h func(*visit) error) http.HandlerFunc {
	return c.serve(formTimeout, maxForm, signedIn(h))
}

// inProduct serves a page of the product in its path.
func (c *Console) inProduct(h func(*visit) error) http.HandlerFunc {
	return c.serve(formTimeout, maxForm, signedIn(ofProduct(h)))
}

// uploading serves a page of a product that takes an image as its body.
func (c *Console) uploading(h func(*visit) error) http.HandlerFunc {
	return c.serve(uploadTimeout, c.config.MaxImage+maxForm, signedIn(ofProduct(h)))
}

func (c *Console) serve(timeout time.Duration, limit int64, h func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Console: c, w: w, r: r, began: time.Now()}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // a test's recorder has none
			v.r = r.WithContext(r.Context())                                           // a copy: net/http drains a body it was not given before it answers
			v.r.Body = http.MaxBytesReader(w, r.Body, limit)
		} else {
			v.r = r.WithContext(r.Context())
			v.r.Body = http.NoBody // reading the query as a form would parse a multipart body, too
		}
		if err := h(v); err != nil {
			v.fail(err)
		}
	}
}

// signedIn authenticates the user, and redirects to the sign-in without a session.
func signedIn(h func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		cookie, err := v.r.Cookie(v.cookie(sessionCookie))
		if err != nil {
			return v.toSignIn()
		}
		v.secret = cookie.Value
		v.actor, err = v.accounts.ActorFrom(v.ctx(), v.secret, v.address())
		if errors.Is(err, fleet.Unauthenticated) {
			return v.toSignIn()
		}
		if err != nil {
			return err
		}
		if v.r.Method == http.MethodPost {
			end, err := v.config.Audit.Begin(v.actor, "console "+v.r.URL.Path)
			if err != nil {
				return err
			}
			defer end()
		}
		return h(v)
	}
}

// ofProduct reads the product in the path.
func ofProduct(h func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		p, err := v.registry.Product(v.ctx(), v.actor, v.r.PathValue("product"))
		if err != nil {
			return err
		}
		v.product = p
		return h(v)
	}
}

// redirect redirects the browser, or htmx.
func (v *visit) redirect(to string) error {
	if v.fragment() {
		v.w.Header().Set("HX-Redirect", to)
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// notice is a message for the next page, with a link; the zero notice means none.
type notice struct{ Text, Link, Label string }

// done redirects with a message that the next page shows.
func (v *visit) done(to, said string) error { return v.doneWith(to, notice{Text: said}) }

// after is done when err is nil, and returns err otherwise.
func (v *visit) after(err error, to, said string) error {
	if err != nil {
		return err
	}
	return v.done(to, said)
}

// doneWith is done with a link after the message.
func (v *visit) doneWith(to string, n notice) error {
	http.SetCookie(v.w, &http.Cookie{
		Name: noticeCookie, Value: url.QueryEscape(url.Values{"text": {n.Text}, "link": {n.Link}, "label": {n.Label}}.Encode()), Path: "/", MaxAge: 60,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.secure(),
	})
	return v.redirect(to)
}

// notice returns the message left by done, once.
func (v *visit) notice() notice {
	cookie, err := v.r.Cookie(noticeCookie)
	if err != nil {
		return notice{}
	}
	http.SetCookie(v.w, &http.Cookie{Name: noticeCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	text, _ := url.QueryUnescape(cookie.Value) // an invalid notice is not shown
	left, _ := url.ParseQuery(text)
	return notice{left.Get("text"), local(left.Get("link")), left.Get("label")}
}

// secure reports whether the browser uses TLS, to this server or to a proxy in front.
func (v *visit) secure() bool {
	return v.r.TLS != nil || v.r.Header.Get("X-Forwarded-Proto") == "https"
}

// address returns the peer's address without the port.
func (v *visit) address() string {
	if host, _, err := net.SplitHostPort(v.r.RemoteAddr); err == nil {
		return host
	}
	return v.r.RemoteAddr
}

// may checks a right in the team: nil if the actor has it.
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

// text returns a field of the form or query without surrounding spaces.
func (v *visit) text(name string) string { return strings.TrimSpace(v.value(name)) }

// value is a form's or query's field as it was sent.
func (v *visit) value(name string) string {
	_ = v.r.PostFormValue(name) // reads the form, whose size serve bounds
	return v.r.Form.Get(name)
}

// seen returns the tag of the object as the form showed it, so that an edit does not overwrite
// one made in between.
func (v *visit) seen() string { return v.text("seen") }

// names returns the values of a repeated field, without empty ones.
func (v *visit) names(field string) []string {
	_ = v.text(field) // parses the form
	names := []string{}
	for _, name := range v.r.Form[field] {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// withQuery returns an address with one more field in its query.
func withQuery(to, name, value string) string {
	mark := "?"
	if strings.Contains(to, "?") {
		mark = "&"
	}
	return to + mark + url.Values{name: {value}}.Encode()
}

// at returns a path below the product's.
func (v *visit) at(path string) string { return "/p/" + v.product.Slug + path }

// known returns which of ids are devices that the actor sees: those that have a page. While the list
// of devices is being read all of them may have one.
func (v *visit) known(ids []fleet.DeviceID) map[fleet.DeviceID]bool {
	seen, err := ids, error(nil)
	if len(ids) > 0 {
		seen, err = v.registry.IDs(v.actor, fleet.DeviceQuery{IDs: ids, Limit: len(ids)})
	}
	if err != nil {
		seen = ids
	}
	known := make(map[fleet.DeviceID]bool, len(seen))
	for _, id := range seen {
		known[id] = true
	}
	return known
}
