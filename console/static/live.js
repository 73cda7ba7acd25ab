// Refreshes pages: one stream of server-sent events per page names the kinds of things that
// changed, and htmx fetches the parts that show them. A hidden page does not listen. If the
// stream breaks, a slow poll remains.
"use strict";

const poll = 30000; // ms; it also keeps "2 min ago" true
const again = 1000; // ms between polls of a download's progress, which no event reports
const errorStays = 6000; // ms that a form's error is kept from being overwritten
const maxRows = 500; // on the page of events

let stream = null; // the EventSource, null while none is open
let pressed = false; // a swap between press and release would swallow the click

const parts = () => [...document.querySelectorAll("[data-live]")];

// refresh has the parts fetched that show one of kinds, or all of them.
function refresh(kinds = ["all"]) {
  parts().filter((part) => kinds.includes("all") || part.dataset.live.split(" ").some((kind) => kinds.includes(kind))).forEach(fetchPart);
}

function fetchPart(part) {
  if (Date.now() < Number(part.dataset.hold || 0)) return;
  if (part.hasAttribute("data-list") && scrollY > 80) countNews(part);
  else htmx.trigger(part, "live");
}

// countNews shows how many rows are new above the visible part, without moving it.
async function countNews(list) {
  const answer = await fetch(list.getAttribute("hx-get"), { headers: { "HX-Request": "true" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const known = new Set([...list.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
  const rows = [...fresh.querySelectorAll("[data-row]")];
  showNews(rows.filter((row) => !known.has(row.dataset.row)).length, rows.length);
}

function showNews(n, of) {
  const bar = document.getElementById("news");
  if (!bar) return;
  bar.hidden = n === 0;
  bar.textContent = (n === of && n > 1 ? n + " or more" : n) + " new · Show";
}

// A page whose numbers may be old says since when.
let fresh = Date.now(); // when the numbers were last known to be true, ms

function stale(yes) {
  const line = document.getElementById("stale");
  if (!line) return;
  if (!yes) fresh = Date.now();
  line.hidden = !yes;
  if (yes) line.textContent = "Numbers from " + new Date(fresh).toISOString().slice(11, 19) + " UTC: not connected to the server. Trying again.";
}

function listen() {
  const feed = document.querySelector("[data-feed]");
  const address = feed ? feed.dataset.feed : document.querySelector("[data-stream]")?.dataset.stream;
  if (stream || document.hidden || !address || (!feed && parts().length === 0)) return;
  stream = new EventSource(address);
  stream.onopen = () => {
    document.body.dataset.listens = "yes";
    stale(false);
    refresh(); // earlier changes are not sent
    listening(true);
  };
  stream.onerror = () => {
    delete document.body.dataset.listens;
    listening(false);
    stale(true);
    if (stream && stream.readyState === EventSource.CLOSED) stream = null; // refused: the poll tries again
  };
  stream.addEventListener("changed", (event) => { fresh = Date.now(); refresh(event.data.split(" ")); });
  stream.addEventListener("rows", (event) => addRows(event.data));
  stream.addEventListener("over", () => {
    stop();
    location.assign(location.pathname + location.search); // leads to where one signs in
  });
}

function stop() {
  if (stream) stream.close();
  stream = null;
  delete document.body.dataset.listens;
  listening(false);
}

// The page of events: the newest on top, until someone pauses to read.
let paused = false;
let waiting = []; // rows that came meanwhile, newest first
let deaf = 0; // time of the disconnect, ms; 0 while listening

function addRows(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const rows = [...template.content.children];
  if (paused) {
    waiting = [...rows, ...waiting].slice(0, maxRows);
    sayPaused();
    return;
  }
  showRows(rows);
}

function showRows(rows) {
  const body = document.querySelector("[data-feed] tbody");
  body.prepend(...rows);
  while (body.children.length > maxRows) body.lastElementChild.remove();
  document.getElementById("no-events").hidden = body.children.length > 0;
  body.closest(".scroll").hidden = body.children.length === 0;
}

function pause() {
  paused = !paused;
  if (!paused) {
    showRows(waiting);
    waiting = [];
  }
  sayPaused();
}

function sayPaused() {
  document.getElementById("pause").textContent = paused ? "Resume" + (waiting.length ? " (" + waiting.length + " new)" : "") : "Pause";
  document.getElementById("pause").setAttribute("aria-pressed", paused);
}

// listening shows whether the stream is connected, and the gap after a disconnect.
function listening(yes) {
  const state = document.getElementById("hearing");
  if (!state) return;
  state.textContent = yes ? "listening" : "not listening";
  state.className = "state " + (yes ? "good" : "quiet");
  const rows = document.querySelectorAll("[data-feed] tbody tr").length + waiting.length;
  if (yes && deaf && rows > 0) {
    const clock = (ms) => new Date(ms).toISOString().slice(11, 19) + " UTC";
    addRows(`<tr class="gap"><td colspan="5">Not listening from ${clock(deaf)} to ${clock(Date.now())}</td></tr>`);
  }
  deaf = yes ? 0 : deaf || Date.now();
}

document.addEventListener("DOMContentLoaded", listen);
document.addEventListener("submit", (event) => {
  if (!event.target.hasAttribute("hx-post")) stop(); // it may end the session of the stream, whose end would reload this page
});
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
addEventListener("pagehide", stop);
setInterval(() => {
  if (document.hidden) return;
  listen();
  refresh();
}, poll);
setInterval(() => {
  if (!document.hidden) parts().filter((part) => part.querySelector("[data-moves]")).forEach(fetchPart);
}, again);

document.addEventListener("click", (event) => {
  if (event.target.id === "pause") pause();
  if (event.target.id !== "news") return;
  event.target.hidden = true;
  scrollTo(0, 0);
  parts().forEach((part) => htmx.trigger(part, "live"));
});

document.addEventListener("pointerdown", () => { pressed = true; });
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => setTimeout(() => { pressed = false; }, 50));
}
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.matches("[data-live]")) {
    const status = event.detail.xhr.status;
    if (status >= 500) stale(true);
    if (status >= 400 || pressed) event.detail.shouldSwap = false; // what is shown stands; it is asked again
    if (status === 403 || status === 404) location.assign(location.pathname + location.search); // it is not theirs any more
    if (pressed) setTimeout(() => fetchPart(event.detail.target), 300);
  }
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => { if (event.target.matches("[data-live]")) stale(true); });
}
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.matches("[data-live]")) {
    fresh = Date.now();
    if (stream && stream.readyState === EventSource.OPEN) stale(false);
  }
  const part = event.detail.target.matches(".problem") && event.detail.target.closest("[data-live]");
  if (part) part.dataset.hold = Date.now() + errorStays;
});
