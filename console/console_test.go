package console

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
)

func TestSignInKeepsTheTokenFromScriptsAndOtherSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proof := url.Values{"email": {ownerEmail}, "password": {ownerPassword}, "next": {"/p/lamp/fleet?x=1"}}
	for name, c := range map[string]struct {
		proxy  string
		secure bool
	}{"plain": {"", false}, "behind a proxy with TLS": {"https", true}} {
		t.Run(name, func(t *testing.T) {
			answer := w.send(http.MethodPost, "/sign-in", proof, header("X-Forwarded-Proto", c.proxy))
			if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/p/lamp/fleet?x=1" {
				t.Errorf("got %d to %q, want 303 to the page asked for", answer.StatusCode, answer.Header.Get("Location"))
			}
			var cookie *http.Cookie
			for _, cookie = range answer.Cookies() {
				if strings.HasSuffix(cookie.Name, sessionCookie) {
					break
				}
			}
			if _, err := w.accounts.Actor(t.Context(), cookie.Value); err != nil || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure != c.secure || strings.HasPrefix(cookie.Name, "__Host-") != c.secure || cookie.Path != "/" {
				t.Errorf("got %v, want HttpOnly, SameSite=Lax, Secure %t", cookie, c.secure)
			}
		})
	}
}

// What strangers do at the sign-in takes nothing from the browser a user signed in with.
func TestABrowserOnceSignedInWithIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	try := func(password string, browser *http.Cookie) *http.Response {
		return w.send(http.MethodPost, "/sign-in", url.Values{"email": {ownerEmail}, "password": {password}}, func(r *http.Request) {
			r.AddCookie(browser)
		})
	}
	none := &http.Cookie{Name: "x", Value: "x"}
	browser := none
	for _, cookie := range try(ownerPassword, none).Cookies() {
		if cookie.Name == browserCookie {
			browser = cookie
		}
	}
	if got := try(ownerPassword, browser).StatusCode; got != http.StatusSeeOther {
		t.Errorf("the remembered browser: got %d, want 303", got)
	}
	for range 10 { // it has ten attempts of its own, and is refused then, where another one waits
		try("a guess", browser)
	}
	if got := try("a guess", browser).StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("the remembered browser, after ten guesses: got %d, want 429", got)
	}
	if got := try(ownerPassword, none).StatusCode; got != http.StatusSeeOther {
		t.Errorf("another browser then: got %d, want 303", got)
	}
}

func TestWrongPasswordShowsTheFormAgain(t *testing.T) {
	t.Parallel()
	answer := newWorld(t).send(http.MethodPost, "/sign-in", url.Values{"email": {ownerEmail}, "password": {"wrong"}})
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
	t.Parallel()
	w := newWorld(t)
	for link, want := range map[string]string{"/p/lamp/firmware/2": `<a href="/p/lamp/firmware/2">Follow &lt;it&gt;</a>`, "//evil.example": "Released 2.</p>", "": "Released 2.</p>"} {
		left := httptest.NewRecorder()
		if err := (&visit{w: left, r: httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)}).doneWith("/products", notice{"Released 2.", link, "Follow <it>"}); err != nil {
			t.Fatal(err)
		}
		text := body(t, w.send(http.MethodGet, "/products", nil, w.signed, func(r *http.Request) { r.AddCookie(left.Result().Cookies()[0]) }))
		if !strings.Contains(text, "Released 2.") || !strings.Contains(text, want) {
			t.Errorf("%q: got %s", link, text)
		}
	}
}

func TestSignOutEndsTheTokenItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := w.send(http.MethodPost, "/sign-out", nil, w.signed)
	if _, err := w.accounts.Actor(t.Context(), w.secret); !errors.Is(err, fleet.Unauthenticated) || answer.Cookies()[0].MaxAge >= 0 {
		t.Errorf("the session's token: %v, cookie %v", err, answer.Cookies())
	}
}

func TestSignInIsRequiredAndLeadsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		target, location, redirect string
		edits                      []func(*http.Request)
	}{
		"a page":              {target: "/team?x=1", location: "/sign-in?next=" + url.QueryEscape("/team?x=1")},
		"a part of a page":    {target: "/team", redirect: "/sign-in", edits: []func(*http.Request){header("HX-Request", "true")}},
		"a token that is out": {target: "/team", location: "/sign-in?next=" + url.QueryEscape("/team"), edits: []func(*http.Request){header("Cookie", sessionCookie+"=mst_old")}},
	} {
		t.Run(name, func(t *testing.T) {
			answer := w.send(http.MethodGet, c.target, nil, c.edits...)
			if answer.Header.Get("Location") != c.location || answer.Header.Get("HX-Redirect") != c.redirect {
				t.Errorf("got Location %q, HX-Redirect %q", answer.Header.Get("Location"), answer.Header.Get("HX-Redirect"))
			}
		})
	}
}

func TestFormsOfOtherSitesAreRejected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := url.Values{"name": {"Lamp"}}
	for name, c := range map[string]struct {
		site string
		want int
	}{"our own": {"same-origin", http.StatusSeeOther}, "another site": {"cross-site", http.StatusForbidden}, "a neighbour": {"same-site", http.StatusForbidden}} {
		t.Run(name, func(t *testing.T) {
			if got := w.send(http.MethodPost, "/products", form, w.signed, header("Sec-Fetch-Site", c.site)).StatusCode; got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestEveryAnswerRestrictsTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, target := range []string{"/sign-in", "/static/app.js", "/products", "/nowhere"} {
		h := w.send(http.MethodGet, target, nil, w.signed).Header
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

func TestErrorsAreShownWhereTheyHappen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	failing := func(err error) http.Handler {
		return w.serve(formTimeout, maxForm, func(v *visit) error { return err })
	}
	for name, c := range map[string]struct {
		method, target, want string
		form                 url.Values
		handler              http.Handler // nil: the console
		status               int
		htmx                 string
		page                 bool
	}{
		"a form, as a part":          {method: http.MethodPost, target: "/products", form: url.Values{}, htmx: "true", status: 422, want: "Name is missing."},
		"a form, as a page":          {method: http.MethodPost, target: "/products", form: url.Values{}, status: 422, want: "Name is missing.", page: true},
		"no such page":               {method: http.MethodGet, target: "/nowhere", status: 404, want: "There is no such page.", page: true},
		"our own fault says nothing": {handler: failing(errors.New("dial redis: secret")), status: 500, want: "Something went wrong on the server.", page: true},
		"the store is unavailable":   {handler: failing(fleet.Errorf(fleet.Unavailable, "the index is being built")), status: 503, want: "The index is being built.", page: true},
	} {
		t.Run(name, func(t *testing.T) {
			var answer *http.Response
			if c.handler != nil {
				recorder := httptest.NewRecorder()
				c.handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
				answer = recorder.Result()
			} else {
				answer = w.send(c.method, c.target, c.form, w.signed, header("HX-Request", c.htmx))
			}
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
	t.Parallel()
	w := newWorld(t)
	if got := w.send(http.MethodGet, "/", nil, w.signed).Header.Get("Location"); got != "/products" {
		t.Errorf("got %q, want /products", got)
	}
	text := body(t, w.send(http.MethodGet, "/products", nil, w.signed))
	if !strings.Contains(text, "No product yet") || !strings.Contains(text, "muster product create") {
		t.Errorf("the empty state does not show the next step:\n%s", text)
	}
}
