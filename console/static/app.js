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

// countPicked keeps the bar below a list of checkboxes true.
function countPicked() {
  const form = document.getElementById("picked");
  if (!form) return;
  const boxes = [...form.querySelectorAll("input[name=device]")];
  const picked = boxes.filter((box) => box.checked).length;
  const all = form.querySelector("[data-all]");
  const buttons = [...form.querySelectorAll("[data-needs-picked]")];
  if (all) {
    all.checked = picked > 0 && picked === boxes.length;
    all.indeterminate = picked > 0 && picked < boxes.length;
  }
  buttons.forEach((button) => { button.disabled = picked === 0; });
  if (buttons.length > 0) {
    document.getElementById("bar").classList.toggle("on", picked > 0);
    form.querySelector("[data-picked]").textContent = picked === 0 ? "Select devices to change them" : picked === 1 ? "1 device selected" : picked + " devices selected";
  }
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("button, input");
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  if (!target) return;
  if (target.id === "theme") toggleTheme();
  if (target.matches("[data-copy]")) copy(target);
  if (target.matches("[data-check-all]")) target.closest("fieldset").querySelectorAll("input[type=checkbox]").forEach((box) => { box.checked = true; });
  if (target.matches("[data-all]")) document.querySelectorAll("#picked input[name=device]").forEach((box) => { box.checked = target.checked; });
  countPicked();
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
  countPicked();
  const menu = document.querySelector(".side"), here = menu && menu.querySelector("[aria-current]");
  if (here) menu.scrollLeft = here.offsetLeft - menu.offsetLeft - 40; // on a phone the menu is wider than the window
});
addEventListener("pageshow", countPicked);
