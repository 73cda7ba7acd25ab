// The console's own script: what HTML and htmx don't do. Nothing works only with it but
// the chart, copying and the switch between light and dark.
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
  drawCharts();
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
  const button = form.querySelector("[data-needs-picked]");
  if (all) {
    all.checked = picked > 0 && picked === boxes.length;
    all.indeterminate = picked > 0 && picked < boxes.length;
  }
  if (button) {
    button.disabled = picked === 0;
    button.parentElement.classList.toggle("on", picked > 0);
    form.querySelector("[data-picked]").textContent = picked === 0 ? "Tick devices to edit their groups" : picked === 1 ? "1 device" : picked + " devices";
  }
}

const palette = ["#0f766e", "#3b7dd8", "#d97706", "#8b5cf6", "#db4c77", "#5b8c2a", "#0e93b8", "#a16207", "#7a8794"];
let charts = [];

// drawChart stacks devices by version over time.
async function drawChart(box) {
  const answer = await fetch(box.dataset.chart);
  if (!answer.ok || typeof uPlot === "undefined") return;
  const past = await answer.json();
  if (!past.times) return;
  const sums = past.times.map(() => 0);
  const stacked = past.runs.map((row) => row.map((n, i) => (sums[i] += n)));
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--quiet").trim(), grid = style.getPropertyValue("--line").trim();
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const order = past.versions.map((_, i) => past.versions.length - 1 - i); // the tallest is drawn first
  const series = order.map((i) => ({
    label: past.versions[i] === "" ? "other" : past.versions[i],
    stroke: palette[i % palette.length], fill: palette[i % palette.length] + "cc", width: 1, points: { show: past.times.length < 2 },
    value: (_, __, ___, at) => (at == null ? "–" : past.runs[i][at].toLocaleString("en")),
  }));
  const top = Math.max(1, ...sums);
  const options = {
    width: box.clientWidth, height: 260, scales: { y: { range: [0, top * 1.05] } }, cursor: { drag: { x: false, y: false } },
    axes: [{ ...axis, incrs: [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400] }, { ...axis, size: 60, values: (_, ticks) => ticks.map((n) => (Number.isInteger(n) ? n.toLocaleString("en") : "")) }],
    series: [{}, ...series],
  };
  if (past.times.length === 1) options.scales.x = { range: [past.times[0] - 30, past.times[0] + 30] };
  box.replaceChildren();
  charts.push(new uPlot(options, [past.times, ...order.map((i) => stacked[i])], box));
}

function drawCharts() {
  charts.forEach((chart) => chart.destroy());
  charts = [];
  document.querySelectorAll("[data-chart]").forEach((box) => { drawChart(box).catch(() => { box.textContent = "The chart could not be loaded."; }); });
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

document.addEventListener("change", async (event) => {
  const into = event.target.dataset.into;
  if (into && event.target.files.length > 0) event.target.form.elements[into].value = await event.target.files[0].text();
});

document.addEventListener("htmx:xhr:progress", (event) => {
  const bar = event.target.matches("[data-upload]") && event.target.querySelector("progress");
  if (!bar || !event.detail.lengthComputable) return;
  bar.hidden = false;
  bar.value = (100 * event.detail.loaded) / event.detail.total;
});

document.addEventListener("DOMContentLoaded", () => {
  countPicked();
  drawCharts();
  if (document.querySelector("[data-chart]")) setInterval(drawCharts, 5000);
});
addEventListener("pageshow", countPicked);
