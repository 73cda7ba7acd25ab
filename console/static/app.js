// The console's own script: what HTML and htmx don't do. Nothing works only with it but
// copying and the switch between light and dark. Charts and what changes by itself have
// scripts of their own.
"use strict";

(function theme() {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch { /* storage is forbidden: the system's choice stands */ }
})();

function toggleTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("theme", next); } catch { /* it lasts for this page */ }
  document.dispatchEvent(new Event("themechange"));
}

async function copy(button) {
  const text = button.parentElement.querySelector("pre").textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch { // not over TLS, or not allowed: select it, so that one key copies
    getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// A selection of devices lasts over the pages of its list, in the tab: ids by the list's address.
const maxPicked = 1000; // more are chosen by their filter
let lastPicked = null; // the box that was clicked last, from which shift selects a range

function picks(form) {
  try { return new Set(JSON.parse(sessionStorage.getItem("picked " + form.dataset.picks)) || []); } catch { return new Set(); }
}

function keepPicks(form, ids) {
  try { sessionStorage.setItem("picked " + form.dataset.picks, JSON.stringify([...ids].slice(0, maxPicked))); } catch { /* it lasts for this page */ }
}

const pickBoxes = (form) => [...form.querySelectorAll("input[type=checkbox][name=device]")];

// notePicked keeps what the boxes of this page say.
function notePicked(form) {
  const ids = picks(form);
  pickBoxes(form).forEach((box) => (box.checked ? ids.add(box.value) : ids.delete(box.value)));
  keepPicks(form, ids);
}

// showPicked ticks what is selected, also after a refresh of the rows, and keeps the bar below true.
function showPicked() {
  const form = document.getElementById("picked");
  if (!form) return;
  const ids = picks(form), boxes = pickBoxes(form);
  boxes.forEach((box) => { box.checked = ids.has(box.value); });
  const here = boxes.filter((box) => box.checked).length, all = form.querySelector("[data-all]");
  if (all) {
    all.checked = here > 0 && here === boxes.length;
    all.indeterminate = here > 0 && here < boxes.length;
  }
  form.querySelectorAll("[data-needs-picked]").forEach((button) => { button.disabled = ids.size === 0; });
  document.getElementById("bar").classList.toggle("on", ids.size > 0);
  form.querySelector("[data-unpick]").hidden = ids.size === 0;
  const elsewhere = ids.size - here;
  form.querySelector("[data-picked]").textContent = ids.size === 0 ? "Select devices to change them" :
    (ids.size === 1 ? "1 device" : ids.size + " devices") + " selected" + (elsewhere > 0 ? ", " + elsewhere + " on other pages" : "");
}

// pickRange ticks the boxes between the last one clicked and this one as this one is.
function pickRange(form, box) {
  const boxes = pickBoxes(form), from = boxes.indexOf(lastPicked), to = boxes.indexOf(box);
  if (from < 0) return;
  boxes.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((between) => { between.checked = box.checked; });
}

function clickPicks(form, event, target) {
  if (target.matches("[data-unpick]")) keepPicks(form, []);
  else if (target.matches("[data-all]")) pickBoxes(form).forEach((box) => { box.checked = target.checked; });
  if (target.matches("[name=device]")) {
    if (event.shiftKey) pickRange(form, target);
    lastPicked = target;
  }
  if (target.matches("[name=device], [data-all]")) notePicked(form);
  showPicked();
}

// A form sends what is selected on other pages of the list, too; one that is sent as an address
// leaves empty fields out of it.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-picks]") && event.submitter?.name !== "all") {
    const here = new Set(pickBoxes(form).map((box) => box.value));
    [...picks(form)].filter((id) => !here.has(id)).forEach((id) => {
      const field = Object.assign(document.createElement("input"), { type: "hidden", name: "device", value: id });
      field.dataset.elsewhere = "";
      form.append(field);
    });
  }
  if (form.matches("[data-lean]")) {
    [...form.elements].filter((field) => field.name && field.value === "").forEach((field) => { field.disabled = true; });
  }
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelectorAll("[data-elsewhere]").forEach((field) => field.remove());
  document.querySelectorAll("[data-lean] :disabled").forEach((field) => { field.disabled = false; });
});

document.addEventListener("click", (event) => {
  const target = event.target.closest("button, input");
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  if (!target) return;
  if (target.id === "theme") toggleTheme();
  if (target.matches("[data-copy]")) copy(target);
  if (target.matches("[data-check-all]")) target.closest("fieldset").querySelectorAll("input[type=checkbox]").forEach((box) => { box.checked = true; });
  const picking = target.closest("[data-picks]");
  if (picking) clickPicks(picking, event, target);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});

// A problem may name its field: focus moves there, and screen readers read the problem.
document.addEventListener("htmx:afterSwap", (event) => {
  const said = event.target.matches(".problem") && event.target.querySelector("[data-field]");
  const form = said && event.target.closest("form");
  const at = form && form.elements[said.dataset.field];
  const input = at instanceof RadioNodeList ? at[0] : at;
  if (!input || input.type === "hidden") return;
  said.id = "problem-of-" + said.dataset.field;
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", said.id);
  input.focus();
});

// A click whose request got no answer says so where it was made.
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    const problem = event.target.querySelector(".problem");
    if (!problem) return;
    const text = document.createElement("p");
    text.textContent = "No answer from the server. It may have been done: reload the page before you try again.";
    problem.replaceChildren(text);
  });
}

// What was typed in a form (data-draft) outlasts that another form of the page is sent: it is back when
// the page is, in this tab, unless somebody has changed the field meanwhile.
const drafts = "typed " + location.pathname;
let sentForm = null;
document.addEventListener("submit", (event) => { sentForm = event.target; });
document.addEventListener("htmx:afterRequest", (event) => { if (!event.detail.successful) sentForm = null; });
const draftFields = () => [...document.querySelectorAll("form[data-draft]")].flatMap((form, i) =>
  [...form.elements].filter((field) => field.matches("input[name]:not([type=hidden]), textarea[name]")).map((field) => ({ form, field, key: i + " " + field.name })));

addEventListener("pagehide", () => {
  const typed = draftFields().filter(({ form, field }) => form !== sentForm && field.value !== field.defaultValue);
  try {
    if (typed.length) sessionStorage.setItem(drafts, JSON.stringify(typed.map(({ field, key }) => [key, field.defaultValue, field.value])));
  } catch { /* storage is full or forbidden: it is lost */ }
});

document.addEventListener("DOMContentLoaded", () => {
  try {
    if (document.body.matches(".bare")) return sessionStorage.clear(); // the next one who signs in may be somebody else
    const typed = JSON.parse(sessionStorage.getItem(drafts)) || [];
    sessionStorage.removeItem(drafts);
    for (const { field, key } of draftFields()) {
      const mine = typed.find(([of]) => of === key);
      if (mine && mine[1] === field.defaultValue) field.value = mine[2];
    }
  } catch { /* nothing was kept */ }
});

// Times are UTC; the reader's own time shows on hover, with its zone.
document.addEventListener("mouseover", (event) => {
  const time = event.target.closest?.("time[datetime]");
  if (!time || time.dataset.local) return;
  const at = new Date(time.dateTime);
  if (isNaN(at)) return;
  time.dataset.local = "yes";
  time.title += "\n" + at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) + " " + Intl.DateTimeFormat().resolvedOptions().timeZone;
});

document.addEventListener("input", (event) => event.target.removeAttribute("aria-invalid"));

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.matches("form")) event.target.querySelectorAll(".problem").forEach((old) => old.replaceChildren());
});

document.addEventListener("htmx:xhr:progress", (event) => {
  const bar = event.target.matches("[data-upload]") && event.target.querySelector("progress");
  if (!bar || !event.detail.lengthComputable) return;
  bar.hidden = false;
  bar.value = (100 * event.detail.loaded) / event.detail.total;
});

document.addEventListener("DOMContentLoaded", () => {
  showPicked();
  const menu = document.querySelector(".side"), here = menu && menu.querySelector("[aria-current]");
  if (here) menu.scrollLeft = here.offsetLeft - menu.offsetLeft - 40; // on a phone the menu is wider than the window
});
addEventListener("pageshow", showPicked);
document.addEventListener("htmx:afterSwap", showPicked);
