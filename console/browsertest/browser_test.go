//go:build browser && !race

package browsertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

const screenshots = "../testdata/screenshots" // git ignores it

var pictures = os.Getenv("MUSTER_SCREENSHOTS") != "" // whether tests take them

// chromium is the one browser process of all tests, started by the first that needs it.
var chromium struct {
	sync.Mutex
	ctx  context.Context // of its first tab; nil before the start. Guarded by Mutex
	stop func()          // guarded by Mutex
}

// suite ends the browser before leaked goroutines are looked for.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.stop != nil {
		chromium.stop()
	}
	return code
}

func TestMain(m *testing.M) { cloudtest.Main(suite{m}) }

// startChromium starts the browser, or returns the one that runs.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.ctx != nil {
		return chromium.ctx
	}
	profile, err := os.MkdirTemp("", "muster-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(executable()),
		chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-features", "BackForwardCache,PaintHolding,RenderDocument"),     // a sixth less processor time per page
		chromedp.Flag("renderer-process-limit", "1"), chromedp.Flag("js-flags", "--max-lazy"), // 8 % less in all
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update",
		"disable-sync", "disable-dev-shm-usage", "hide-scrollbars",
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "disable-backgrounding-occluded-windows",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	chromium.ctx = ctx
	chromium.stop = func() {
		_ = chromedp.Cancel(ctx)
		cancel()
		end()
		_ = os.RemoveAll(profile)
	}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// executable is the browser's program. The shell, which draws nothing that nobody sees, takes half of
// the processor time.
func executable() string {
	const shell = "chromium-headless-shell"
	if path := os.Getenv("MUSTER_CHROMIUM"); path != "" {
		return path
	}
	if _, err := exec.LookPath(shell); err != nil {
		return "chromium"
	}
	return shell
}

// browser is a window of its own, with its own cookies.
type browser struct {
	*testing.T
	ctx    context.Context
	base   string
	width  int64  // of the window
	scheme string // of colors
}

// browse opens a window onto w's console. The test fails for anything the browser complains
// about: errors of scripts, what the policy forbids, files that can't be loaded.
func browse(t *testing.T, w *world) *browser {
	t.Helper()
	return browseAt(t, w.URL(""))
}

// browseAt is browse for the server at base.
func browseAt(t *testing.T, base string) *browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(startChromium(t), chromedp.WithNewBrowserContext())
	b := &browser{T: t, ctx: ctx, base: base}
	messages := chromedp.Console(ctx)
	var reader sync.WaitGroup
	reader.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			// A test checks statuses itself: a refusal is one of the things it looks for.
			refused := strings.Contains(m.Text, "the server responded with a status of 4")
			if !refused && (m.IsException() || m.Type == "error" || m.Type == "warning") {
				t.Errorf("the browser complains: %s (%s)", m, m.URL)
			}
		}
	})
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		cancel()
		reader.Wait()
	})
	if err := chromedp.Do(ctx); err != nil { // opens the window, which must outlive any deadline
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	b.phone(false)
	return b
}

// do carries out steps within the time a person would wait.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	attempt(b, func(ctx context.Context) (chromedp.Void, error) { return chromedp.Void{}, chromedp.Do(ctx, steps...) })
}

// attempt is what try finds on the page. A live page replaces its parts at any moment, also
// between looking for a button and pressing it: like a person, one looks again.
func attempt[T any](b *browser, try func(context.Context) (T, error)) T {
	b.Helper()
	const replaced = -32000 // what the browser answers for a node, or a page, that is no more
	ctx, cancel := context.WithTimeout(b.ctx, cloudtest.Patience)
	defer cancel()
	for {
		v, err := try(ctx)
		var refusal *cdproto.Error
		switch {
		case err == nil:
			return v
		case !errors.As(err, &refusal) || refusal.Code != replaced || ctx.Err() != nil:
			b.stuck(err)
		}
	}
}

// stuck ends the test, and tells what the page says.
func (b *browser) stuck(err error) {
	b.Helper()
	url, _ := chromedp.Run(b.ctx, chromedp.Location())
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	b.shot("failed-" + filepath.Base(b.Name()))
	b.Fatalf("%v\nat %s:\n%.1500s", err, url, text)
}

// evaluate is what a script finds.
func evaluate[T any](b *browser, script string, options ...chromedp.EvaluateOption) T {
	b.Helper()
	return attempt(b, func(ctx context.Context) (T, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[T](script, options...))
	})
}

func (b *browser) visit(path string) {
	b.Helper()
	b.do(chromedp.Navigate(b.base+path), chromedp.WaitVisible(chromedp.CSS("main")))
}

// click presses what a CSS selector finds.
func (b *browser) click(selector string) {
	b.Helper()
	b.hit(chromedp.Click(chromedp.CSS(selector)), `document.querySelector(`+strconv.Quote(selector)+`)`)
}

// press presses the button or link with this text.
func (b *browser) press(text string) {
	b.Helper()
	path := fmt.Sprintf(`//*[self::button or self::a or self::summary][normalize-space()=%q]`, text)
	b.hit(chromedp.Click(chromedp.Search(path)), `document.evaluate(`+strconv.Quote(path)+`, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue`)
}

// hit clicks once what the script find finds has stopped moving, and again if it missed: a page that loads may
// move it between the look where it is and the click. A click that hit something else and has left the page ends the test.
func (b *browser) hit(click chromedp.Action[chromedp.Void], find string) {
	b.Helper()
	for range 10 {
		evaluate[bool](b, `new Promise((resolve) => {
			const wanted = () => `+find+`;
			const arm = () => {
				window.armed = true;
				sessionStorage.setItem("missed", "nothing");
				document.addEventListener("click", ({ target }) => {
					if (wanted() && (wanted().contains(target) || target.closest("label")?.contains(wanted()))) { sessionStorage.removeItem("missed"); }
					else { sessionStorage.setItem("missed", target.outerHTML.slice(0, 120)); }
				}, { capture: true, once: true });
				resolve(true);
			};
			let before;
			const look = () => {
				const box = JSON.stringify(wanted()?.getBoundingClientRect());
				if (box === before) { arm(); } else { before = box; setTimeout(look, 20); }
			};
			look();
		})`, chromedp.EvalAwaitPromise)
		b.do(click)
		got := evaluate[struct {
			Missed string `json:"missed"`
			Left   bool   `json:"left"` // another page has come since
		}](b, `({ missed: sessionStorage.getItem("missed") ?? "", left: window.armed !== true })`)
		switch {
		case got.Missed == "" || got.Left && got.Missed == "nothing":
			return
		case got.Left:
			b.stuck(fmt.Errorf("clicked %s in place of %s", got.Missed, find))
		}
	}
	b.stuck(errors.New("ten clicks missed " + find))
}

// tickAll ticks every box that the form requires.
func (b *browser) tickAll() {
	b.Helper()
	evaluate[int](b, `[...document.querySelectorAll("input[type=checkbox][required]:not(:checked)")].map((box) => box.click()).length`)
}

// waitVisible waits for what a CSS selector finds.
func (b *browser) waitVisible(selector string) {
	b.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)))
}

func (b *browser) fill(selector, text string) {
	b.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// waitText waits until the page shows text.
func (b *browser) waitText(text string) {
	b.Helper()
	b.await(`!!document.body && document.body.innerText.replace(/\s+/g, " ").includes(`+strconv.Quote(text)+`)`, fmt.Sprintf("the page shows %q", text))
}

// waitUntil waits until an expression about the page's elements is true.
func (b *browser) waitUntil(expression string) {
	b.Helper()
	b.await(expression, expression)
}

// await looks whenever the page changes; a page that goes away leaves the wait to the next one.
func (b *browser) await(expression, what string) {
	b.Helper()
	script := `new Promise((resolve) => {
		const holds = () => { try { return !!(` + expression + `); } catch { return false; } };
		const look = () => { if (holds()) { observer.disconnect(); resolve(true); } };
		const observer = new MutationObserver(look);
		observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		addEventListener("load", look);
		look();
	})`
	attempt(b, func(ctx context.Context) (bool, error) {
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
		if err != nil && ctx.Err() != nil {
			return false, fmt.Errorf("timed out waiting until %s", what)
		}
		return done, err
	})
}

// visitLive visits a page and waits until it listens to events. verifyNotReloaded checks later
// that it is still the same page.
func (b *browser) visitLive(path string) {
	b.Helper()
	b.visit(path)
	b.waitVisible("body[data-listens]")
	evaluate[bool](b, `window.kept = true`)
}

// verifyNotReloaded verifies that nothing has reloaded the page since visitLive.
func (b *browser) verifyNotReloaded() {
	b.Helper()
	if !evaluate[bool](b, `window.kept === true`) {
		b.Error("the page was reloaded")
	}
}

// signIn signs the browser in, and shows no page.
func (b *browser) signIn(email, password string) {
	b.Helper()
	home := cloudtest.Must[*url.URL](b)(url.Parse(b.base))
	for _, c := range signedIn(b, b.base, email, password).Jar.Cookies(home) {
		if _, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: b.base}); err != nil {
			b.Fatal(err)
		}
	}
}

// signInByForm signs in as a person does, and shows the first page.
func (b *browser) signInByForm(email, password string) {
	b.Helper()
	b.visit("/sign-in")
	b.fill("[name=email]", email)
	b.fill("[name=password]", password)
	b.press("Sign in")
	b.waitVisible("nav.side")
}

// shot keeps a picture of the whole page, for people to look at.
func (b *browser) shot(name string) {
	b.Helper()
	if !pictures && !b.Failed() {
		return
	}
	_, _ = chromedp.Run(b.ctx, chromedp.Evaluate[bool](`scrollTo(0, 0), true`)) // the header stays at the top of the window
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Logf("no picture: %v", err)
		return
	}
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(screenshots, name+".png"), png, 0o644); err != nil {
		b.Fatal(err)
	}
}

// shots takes the page's picture in every window.
func (b *browser) shots(name string) {
	b.Helper()
	if !pictures {
		return
	}
	for _, look := range windows {
		b.setWindow(look)
		b.shot(name + "." + look.name)
	}
	b.setWindow(wide)
}

// phone makes the window as narrow as a small phone, and back with false.
func (b *browser) phone(on bool) {
	b.Helper()
	switch {
	case on && b.width != 360:
		b.width = 360
		b.do(chromedp.EmulateViewport(b.width, 720, chromedp.EmulateMobile))
	case !on && b.width != 1280:
		b.width = 1280
		b.do(chromedp.EmulateViewport(b.width, 900))
	default:
		return
	}
	const drawn = `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))` // charts follow the size
	attempt(b, func(ctx context.Context) (bool, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[bool](drawn, chromedp.EvalAwaitPromise))
	})
}

// prefers is a system whose user prefers light or dark pages.
func (b *browser) prefers(scheme string) {
	b.Helper()
	if b.scheme == scheme {
		return
	}
	b.scheme = scheme
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		b.Fatal(err)
	}
	evaluate[bool](b, `document.getAnimations().forEach(a => a.finish()) === undefined`) // colors fade over
}

// visitRaw goes where there may be no page.
func (b *browser) visitRaw(path string) { b.Helper(); b.do(chromedp.Navigate(b.base + path)) }

// member adds a user with a role and groups, and is their window.
func (w *world) member(t *testing.T, role fleet.Role, groups ...string) *browser {
	t.Helper()
	email := role.String() + "@example.com"
	if _, err := w.Cloud.Accounts().AddUser(t.Context(), owner, email, cloudtest.OwnerPassword, role, groups); err != nil {
		t.Fatal(err)
	}
	b := browse(t, w)
	b.signIn(email, cloudtest.OwnerPassword)
	return b
}
