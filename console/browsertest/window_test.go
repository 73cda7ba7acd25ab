//go:build browser && !race

package browsertest

// window is how a page is checked.
type window struct {
	name  string
	width int
	dark  bool
}

var (
	wide   = window{"light-1280", 1280, false}
	narrow = window{"light-360", 360, false}
	sizes  = []window{wide, narrow} // for what has nothing to do with colors
	// windows are in an order in which the size changes once: two wide ones, two narrow ones.
	windows = []window{wide, {"dark-1280", 1280, true}, {"dark-360", 360, true}, narrow}
)

// setWindow sets the window's size and colors.
func (b *browser) setWindow(w window) {
	b.Helper()
	b.phone(w.width < 800)
	scheme := "light"
	if w.dark {
		scheme = "dark"
	}
	b.prefers(scheme)
}

// rules is a script that finds what on the page breaks which rule. Names and where the focus is do not depend on colors.
func rules(w window) string {
	found := `"is wider than the window": ` + spill + `, "has texts of little contrast": ` + faint + `, "shows an id twice": ` + doubled
	if !w.dark {
		found += `, "has what has no name": ` + unlabelled + `, "hides where the focus is": ` + unseen
	}
	return `(() => {
		const found = {` + found + `};
		document.activeElement.blur();
		return found;
	})()`
}

// faint are texts with less contrast than WCAG AA asks for: 4.5, or 3 of large ones.
const faint = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const drawn = new Map();
	const draw = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
	const rgba = (color) => { if (!drawn.has(color)) drawn.set(color, draw(color)); return drawn.get(color); };
	const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
	const behind = (e) => {
		const layers = [];
		for (let at = e; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); if (c[3] > 0) layers.push(c); if (c[3] === 1) break; }
		return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
	};
	const bright = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const found = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.textContent.trim() || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest("button:disabled, label.off, option, .sr, .skip, canvas")) continue;
		const style = getComputedStyle(e), back = behind(e), ink = over(rgba(style.color), back);
		const [x, y] = [bright(ink), bright(back)].sort((a, b) => b - a), ratio = (x + 0.05) / (y + 0.05);
		const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
		if (ratio < (large ? 3 : 4.5)) found.add(e.tagName + "." + e.className + " " + ratio.toFixed(2) + " " + walk.currentNode.textContent.trim().slice(0, 30));
	}
	return [...found];
})()`

// unlabelled are fields without a name a screen reader could say.
const unlabelled = `[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href], summary, progress, [role=img]")].filter(e =>
	!(e.labels && [...e.labels].some(l => l.textContent.trim())) && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby") && !e.textContent.trim()).map(e => e.outerHTML.slice(0, 90))`

// unseen are things one can move to by key without seeing that one is there.
const unseen = `[...document.querySelectorAll("main a[href], main button:not(:disabled), main input:not([type=hidden], :disabled), main select, main textarea, main summary, header a, header summary, header button, nav a")].filter(e => {
	if (!e.checkVisibility()) return false;
	e.focus({ focusVisible: true });
	const s = getComputedStyle(e);
	return document.activeElement !== e || (s.outlineStyle === "none" && s.boxShadow === "none");
}).map(e => e.outerHTML.slice(0, 90))`

// spill is how far a page is wider than its window, and by what.
const spill = `(() => { const wide = document.documentElement.scrollWidth - innerWidth; if (wide <= 0) return [];
	return [wide + " px", ...[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .tabs, pre, .side")).slice(0, 3).map(e => e.outerHTML.slice(0, 90))]; })()`

// doubled are ids that are there twice, and controls in a table's head or list that are not in any form.
const doubled = `[...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)`
