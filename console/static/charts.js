// The fleet's charts: devices by version over time, one above the other, and handshakes
// per second.
"use strict";

const palette = ["#0f766e", "#3b7dd8", "#d97706", "#8b5cf6", "#db4c77", "#5b8c2a", "#0e93b8", "#a16207"];
const greys = { "version unknown": "#9aa5b1", "not uploaded here": "#66727f" }; // what is no version
const seconds = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400]; // between marks
const counts = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6].map((zeros) => n * 10 ** zeros)).sort((a, b) => a - b);
const chartHeight = 260; // px
let drawn = {}; // by id of the box: the chart, and what its lines are

// runsOf stacks devices by version; the tallest is drawn first.
function runsOf(past) {
  const sums = past.times.map(() => 0);
  const stacked = past.runs.map((row) => row.map((n, i) => (sums[i] += n)));
  const hue = (i) => (past.colors[i] < 0 ? greys[past.versions[i]] : palette[past.colors[i] % palette.length]);
  const order = past.versions.map((_, i) => past.versions.length - 1 - i);
  return {
    top: Math.max(1, ...sums), data: [past.times, ...order.map((i) => stacked[i])],
    lines: order.map((i) => ({
      label: past.versions[i], stroke: hue(i), fill: hue(i) + "cc",
      value: (plot, _, __, at) => (at == null ? "–" : plot.runs[i][at].toLocaleString("en")),
    })),
  };
}

function ratesOf(past) {
  return {
    top: Math.max(1, ...past.rates), data: [past.times, past.rates],
    lines: [{ label: "per second", stroke: palette[1], fill: palette[1] + "55", value: (_, n) => (n == null ? "–" : n.toLocaleString("en", { maximumFractionDigits: 1 })) }],
  };
}

const moment = (at) => new Date(at * 1000).toISOString(); // times are UTC, as everywhere else here

// mark is a time on the axis, as exact as marks lie apart.
function mark(at, apart) {
  return apart < 60 ? moment(at).slice(11, 19) : apart < 86400 ? moment(at).slice(11, 16) : moment(at).slice(5, 10);
}

// draw makes the chart, or moves it on where only numbers changed: what the mouse points
// at stays.
function draw(box, past) {
  const { top, data, lines } = box.dataset.show === "rates" ? ratesOf(past) : runsOf(past);
  const names = lines.map((line) => line.label).join(" ");
  const dots = past.times.length < 2; // one moment has no line
  const known = drawn[box.id];
  if (known && known.names === names && known.dots === dots) {
    known.chart.runs = past.runs;
    known.top = top;
    known.chart.setData(data);
    return;
  }
  if (known) known.chart.destroy();
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--quiet").trim(), grid = style.getPropertyValue("--line").trim();
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const now = { box, names, top, dots };
  const options = {
    width: box.clientWidth, height: chartHeight, padding: [null, 30, null, null], cursor: { drag: { x: false, y: false } },
    scales: { x: { range: (_, from, to) => [from, dots ? from + 60 : Math.max(to, from + 60)] }, y: { range: () => [0, now.top * 1.05] } },
    axes: [
      { ...axis, incrs: seconds, values: (_, ticks, __, ___, apart) => ticks.map((at) => mark(at, apart)), space: 70 },
      { ...axis, incrs: counts, size: 60, values: (_, ticks) => ticks.map((n) => n.toLocaleString("en")) },
    ],
    series: [
      { label: "UTC", value: (_, at) => (at == null ? "–" : moment(at).slice(0, 19).replace("T", " ")) },
      ...lines.map((line) => ({ width: 1, points: { show: dots }, ...line })),
    ],
  };
  box.replaceChildren();
  now.chart = new uPlot(options, data, box);
  now.chart.runs = past.runs;
  drawn[box.id] = now;
}

async function drawCharts() {
  const boxes = document.querySelectorAll("[data-chart]");
  if (boxes.length === 0 || document.hidden) return;
  const past = await fetch(boxes[0].dataset.chart).then((answer) => answer.ok && answer.json(), () => null); // null: the server is away
  if (past && past.times) boxes.forEach((box) => draw(box, past));
}

function redrawCharts() {
  Object.values(drawn).forEach((known) => known.chart.destroy());
  drawn = {};
  drawCharts();
}

document.addEventListener("DOMContentLoaded", drawCharts);
document.addEventListener("themechange", redrawCharts);
document.addEventListener("visibilitychange", drawCharts);
addEventListener("resize", () => Object.values(drawn).forEach(({ box, chart }) => chart.setSize({ width: box.clientWidth, height: chartHeight })));
setInterval(drawCharts, 5000);
