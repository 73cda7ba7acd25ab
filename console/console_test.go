package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

const goodSecret = "mst_right"

// team is a registry with one owner, one product and no device. What a test does not
// reach is the nil interface's to panic about.
type team struct {
	Registry
	signedOut bool
	err       error // of Products
}

func (r *team) SignIn(_ context.Context, p fleet.SignIn) (string, fleet.Token, error) {
	if p.Password != "right" {
		return "", fleet.Token{}, fleet.Errorf(fleet.Unauthenticated, "email or password is wrong")
	}
	return goodSecret, fleet.Token{}, nil
}

func (r *team) Actor(_ context.Context, secret string) (fleet.Actor, error) {
	if secret != goodSecret || r.signedOut {
		return fleet.Actor{}, fleet.Errorf(fleet.Unauthenticated, "no such token")
	}
	return fleet.Actor{User: 1, Team: 1, Email: "owner@example.com", Role: fleet.Owner}, nil
}

func (r *team) SignOut(context.Context, fleet.Actor, string) error {
	r.signedOut = true
	return nil
}

func (r *team) Account(_ context.Context, a fleet.Actor) (fleet.Account, error) {
	return fleet.Account{User: fleet.User{ID: a.User, Email: a.Email}, Team: fleet.Team{ID: 1, Name: "Acme"}, Role: a.Role}, nil
}

func (r *team) Teams(context.Context, fleet.Actor) ([]fleet.Account, error) { return nil, nil }

func (r *team) Products(context.Context, fleet.Actor) ([]fleet.Product, error) { return nil, r.err }

func (r *team) CreateProduct(_ context.Context, _ fleet.Actor, p fleet.Product) (fleet.Product, error) {
	if p.Name == "" {
		return p, fleet.FieldErrorf("name", "write a name")
	}
	p.Slug = "lamp"
	return p, nil
}

// send is what the console answers to one request.
func send(t *testing.T, r *team, method, target string, form url.Values, edits ...func(*http.Request)) *http.Response {
	t.Helper()
	return sendTo(t, New(Config{}, r, nil, nil, slog.New(slog.DiscardHandler)), method, target, form, edits...)
}

// sendTo is what c answers to one request.
func sendTo(t *testing.T, c *Console, method, target string, form url.Values, edits ...func(*http.Request)) *http.Response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, edit := range edits {
		edit(request)
	}
	recorder := httptest.NewRecorder()
	c.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func session(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: goodSecret}) }

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestSignInKeepsTheTokenFromScriptsAndOtherSites(t *testing.T) {
	proof := url.Values{"email": {"owner@example.com"}, "password": {"right"}, "next": {"/p/lamp/fleet?x=1"}}
	for name, c := range map[string]struct {
		proxy  string
		secure bool
	}{"plain": {"", false}, "behind a proxy with TLS": {"https", true}} {
		t.Run(name, func(t *testing.T) {
			answer := send(t, &team{}, http.MethodPost, "/sign-in", proof, header("X-Forwarded-Proto", c.proxy))
			if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/p/lamp/fleet?x=1" {
				t.Errorf("got %d to %q, want 303 to the page asked for", answer.StatusCode, answer.Header.Get("Location"))
			}
			cookie := answer.Cookies()[0]
			if cookie.Value != goodSecret || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure != c.secure {
				t.Errorf("got %v, want HttpOnly, SameSite=Lax, Secure %t", cookie, c.secure)
			}
		})
	}
}

func TestWrongPasswordShowsTheFormAgain(t *testing.T) {
	answer := send(t, &team{}, http.MethodPost, "/sign-in", url.Values{"email": {"owner@example.com"}, "password": {"wrong"}})
	text := body(t, answer)
	if answer.StatusCode != http.StatusUnauthorized || len(answer.Cookies()) != 0 ||
		!strings.Contains(text, "Email or password is wrong.") || !strings.Contains(text, `value="owner@example.com"`) {
		t.Errorf("got %d, cookies %v:\n%s", answer.StatusCode, answer.Cookies(), text)
	}
}

func TestSignInLeadsToPagesOfOurOwnOnly(t *testing.T) {
	for next, want := range map[string]string{
		"/p/lamp/devices?q=a": "/p/lamp/devices?q=a", "//evil.example": "", "https://evil.example": "", `/\evil.example`: "", "/\t/evil": "", "": "",
	} {
		if got := local(next); got != want {
			t.Errorf("local(%q): got %q, want %q", next, got, want)
		}
	}
}

func TestANoticeLeadsToPagesOfOurOwnOnly(t *testing.T) {
	for link, want := range map[string]string{"/p/lamp/firmware/2": `<a href="/p/lamp/firmware/2">Follow &lt;it&gt;</a>`, "//evil.example": "Released 2.</p>", "": "Released 2.</p>"} {
		left := httptest.NewRecorder()
		if err := (&visit{w: left, r: httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)}).doneWith("/products", notice{"Released 2.", link, "Follow <it>"}); err != nil {
			t.Fatal(err)
		}
		text := body(t, send(t, &team{}, http.MethodGet, "/products", nil, session, func(r *http.Request) { r.AddCookie(left.Result().Cookies()[0]) }))
		if !strings.Contains(text, "Released 2.") || !strings.Contains(text, want) {
			t.Errorf("%q: got %s", link, text)
		}
	}
}

func TestSignOutEndsTheTokenItself(t *testing.T) {
	r := &team{}
	answer := send(t, r, http.MethodPost, "/sign-out", nil, session)
	if !r.signedOut || answer.Cookies()[0].MaxAge >= 0 {
		t.Errorf("signed out %t, cookie %v", r.signedOut, answer.Cookies())
	}
}

func TestWhoIsNotSignedInIsAskedToAndComesBack(t *testing.T) {
	for name, c := range map[string]struct {
		target, location, redirect string
		edits                      []func(*http.Request)
	}{
		"a page":              {target: "/team?x=1", location: "/sign-in?next=" + url.QueryEscape("/team?x=1")},
		"a part of a page":    {target: "/team", redirect: "/sign-in", edits: []func(*http.Request){header("HX-Request", "true")}},
		"a token that is out": {target: "/team", location: "/sign-in?next=" + url.QueryEscape("/team"), edits: []func(*http.Request){header("Cookie", sessionCookie+"=mst_old")}},
	} {
		t.Run(name, func(t *testing.T) {
			answer := send(t, &team{}, http.MethodGet, c.target, nil, c.edits...)
			if answer.Header.Get("Location") != c.location || answer.Header.Get("HX-Redirect") != c.redirect {
				t.Errorf("got Location %q, HX-Redirect %q", answer.Header.Get("Location"), answer.Header.Get("HX-Redirect"))
			}
		})
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	form := url.Values{"name": {"Lamp"}}
	for name, c := range map[string]struct {
		site string
		want int
	}{"our own": {"same-origin", http.StatusSeeOther}, "another site": {"cross-site", http.StatusForbidden}, "a neighbour": {"same-site", http.StatusForbidden}} {
		t.Run(name, func(t *testing.T) {
			if got := send(t, &team{}, http.MethodPost, "/products", form, session, header("Sec-Fetch-Site", c.site)).StatusCode; got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestEveryAnswerSaysWhatABrowserMayDo(t *testing.T) {
	for _, target := range []string{"/sign-in", "/static/app.js", "/products", "/nowhere"} {
		h := send(t, &team{}, http.MethodGet, target, nil, session).Header
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %s", target, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got headers %v", target, h)
		}
	}
}

func TestWhatGoesWrongIsSaidWhereItWasAsked(t *testing.T) {
	for name, c := range map[string]struct {
		method, target, want string
		form                 url.Values
		err                  error
		status               int
		htmx                 string
		page                 bool
	}{
		"a form, as a part":          {method: http.MethodPost, target: "/products", form: url.Values{}, htmx: "true", status: 422, want: "Write a name."},
		"a form, as a page":          {method: http.MethodPost, target: "/products", form: url.Values{}, status: 422, want: "Write a name.", page: true},
		"no such page":               {method: http.MethodGet, target: "/nowhere", status: 404, want: "There is no such page.", page: true},
		"our own fault says nothing": {method: http.MethodGet, target: "/products", err: errors.New("dial redis: secret"), status: 500, want: "Something went wrong on our side.", page: true},
		"the store is away":          {method: http.MethodGet, target: "/", err: fleet.Errorf(fleet.Unavailable, "the index is being built"), status: 503, want: "The index is being built.", page: true},
	} {
		t.Run(name, func(t *testing.T) {
			answer := send(t, &team{err: c.err}, c.method, c.target, c.form, session, header("HX-Request", c.htmx))
			text := body(t, answer)
			if answer.StatusCode != c.status || !strings.Contains(text, c.want) || strings.Contains(text, "<!doctype") != c.page || strings.Contains(text, "redis") {
				t.Errorf("got %d:\n%s", answer.StatusCode, text)
			}
		})
	}
}

func TestTwoMistakesAtOnceHaveOneStatus(t *testing.T) {
	err := errors.Join(fleet.Errorf(fleet.Unavailable, "the store is away"), fleet.Errorf(fleet.Conflict, "somebody came first"))
	for range 100 {
		if got := status(err); got != http.StatusConflict {
			t.Fatalf("got %d, want %d, as the REST API answers", got, http.StatusConflict)
		}
	}
}

func TestFirstProductIsMadeWhereNothingIs(t *testing.T) {
	if got := send(t, &team{}, http.MethodGet, "/", nil, session).Header.Get("Location"); got != "/products" {
		t.Errorf("got %q, want /products", got)
	}
	text := body(t, send(t, &team{}, http.MethodGet, "/products", nil, session))
	if !strings.Contains(text, "No product yet") || !strings.Contains(text, "muster product create") {
		t.Errorf("the empty state does not tell the next step:\n%s", text)
	}
}
