// Charts over time: of a product's fleet, and of a release. Each box names where its data is, and
// which chart of it to show; boxes with the same address share one request.
"use strict";

const palette = ["#0f766e", "#3b7dd8", "#d97706", "#8b5cf6", "#db4c77", "#5b8c2a", "#0e93b8", "#a16207"];
const greys = ["#9aa5b1", "#66727f", "#c3ccd4"]; // what is not a version
const moods = { good: "#1fa45b", applying: "#8b5cf6", live: "#3b7dd8", bad: "#d6453d", lost: "#7f1d1d", waiting: "#e0a83a" };
const seconds = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 604800, 2592000, 7776000]; // between marks
const counts = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6].map((zeros) => n * 10 ** zeros)).sort((a, b) => a - b);
const chartHeight = 240; // px
let drawn = {}; // by id of the box: the chart, and what its lines are

const hue = (line) => moods[line.class] || (line.color < 0 ? greys[-line.color - 1] : palette[line.color % palette.length]);
const moment = (at) => new Date(at * 1000).toISOString(); // times are UTC, as everywhere else here
const count = (n, decimal) => (n == null ? "–" : n.toLocaleString("en", { maximumFractionDigits: decimal ? 1 : 0 }));

// withGaps has an empty moment in each span that was not sampled, so that no line crosses it.
function withGaps(past, lines) {
  const longest = Math.max(3 * past.step, 200);
  const times = [], rows = lines.map(() => []);
  past.times.forEach((at, i) => {
    if (past.step && i && at - past.times[i - 1] > longest) {
      times.push(past.times[i - 1] + past.step);
      rows.forEach((row) => row.push(null));
    }
    times.push(at);
    rows.forEach((row, k) => row.push(lines[k].values[i]));
  });
  return { times, rows };
}

// coarser adds up neighbours, so that there are 60 bars at most.
function coarser({ times, rows }) {
  const together = Math.ceil(times.length / 60);
  if (together < 2) return { times, rows };
  const sums = (row) => row.reduce((all, n, i) => { i % together ? (all[all.length - 1] += n) : all.push(n || 0); return all; }, []);
  return { times: times.filter((_, i) => i % together === 0), rows: rows.map(sums) };
}

// stack adds up the rows that are shown, from the last one on. The first, tallest one is drawn first.
function stack(rows, shown) {
  const sums = (rows[0] || []).map(() => 0);
  const stacked = [];
  for (let k = rows.length - 1; k >= 0; k--) {
    stacked[k] = rows[k].map((n, i) => (n == null ? null : shown[k] ? (sums[i] += n) : null));
  }
  return stacked;
}

// fill computes what is drawn from what is known, and the top of the axis.
function fill(now) {
  const { times, rows, stacked, shown } = now;
  const data = stacked ? stack(rows, shown) : rows;
  now.top = Math.max(1, ...data.flat().filter((n) => n != null));
  return [times, ...data];
}

// mark is a time on the axis, as exact as marks lie apart.
function mark(at, apart) {
  return apart < 60 ? moment(at).slice(11, 19) : apart < 86400 ? moment(at).slice(11, 16) : apart < 2592000 ? moment(at).slice(5, 10) : moment(at).slice(0, 7);
}

// drawMarks draws what happened as lines across the chart.
function drawMarks(plot, marks, ink, warn) {
  const { ctx, bbox } = plot, ratio = devicePixelRatio;
  let free = -Infinity; // where the next text may begin
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  for (const m of marks) {
    const x = Math.round(plot.valToPos(m.at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = m.bad ? warn : ink;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    ctx.lineWidth = ratio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const wide = ctx.measureText(m.short).width, left = Math.min(x + 3 * ratio, bbox.left + bbox.width - wide);
    if (left < free) continue;
    ctx.fillText(m.short, left, bbox.top - 4 * ratio);
    free = left + wide + 6 * ratio;
  }
  ctx.restore();
}

// touched moves the cursor to where a finger is: uPlot follows a mouse only.
function touched(plot) {
  const move = (e) => {
    const box = plot.over.getBoundingClientRect(), finger = e.touches[0];
    plot.setCursor({ left: finger.clientX - box.left, top: finger.clientY - box.top });
  };
  plot.over.addEventListener("touchstart", move, { passive: true });
  plot.over.addEventListener("touchmove", move, { passive: true });
}

// options are those of a chart of the lines of now.
function options(box, now, lines, chart) {
  const style = getComputedStyle(document.documentElement), color = (name) => style.getPropertyValue(name).trim();
  const ink = color("--quiet"), grid = color("--line"), warn = color("--bad");
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const newest = () => now.times.length - 1;
  const bars = box.dataset.draw === "bars" && now.times.length > 1 ? uPlot.paths.bars({ size: [0.9, 20] }) : null;
  return {
    width: box.clientWidth, height: chartHeight, padding: [20, 30, null, null], cursor: { drag: { x: false, y: false } },
    scales: { x: { range: (_, from, to) => [from, now.dots ? from + 60 : Math.max(to, from + 60)] }, y: { range: () => [0, now.top * 1.05] } },
    axes: [
      { ...axis, incrs: seconds, values: (_, ticks, __, ___, apart) => ticks.map((at) => mark(at, apart)), space: 70 },
      { ...axis, incrs: counts, size: 60, values: (_, ticks) => ticks.map((n) => count(n)) },
    ],
    legend: { markers: { width: 2 } },
    series: [
      { label: "UTC", value: (_, at) => moment(at ?? now.times[newest()]).slice(0, 19).replace("T", " ") },
      ...lines.map((line, k) => ({
        label: line.label, stroke: hue(line), fill: chart.stacked ? hue(line) + "cc" : hue(line) + "22", width: 1, points: { show: now.dots },
        ...(bars && { paths: bars }), value: (_, __, ___, at) => count(now.rows[k][at ?? newest()], chart.decimal),
      })),
    ],
    hooks: {
      ready: [touched],
      draw: [(plot) => drawMarks(plot, now.marks, ink, warn)],
      setSeries: [(plot, k, change) => {
        if (k == null || change.show == null) return;
        now.shown[k - 1] = change.show;
        plot.setData(fill(now));
      }],
    },
  };
}

// draw makes the chart, or moves it on where only numbers changed: what the mouse points
// at, and which lines are hidden, stays.
function draw(box, past) {
  const chart = past.charts[box.dataset.show];
  if (!chart) return;
  const lines = chart.lines.filter((line) => chart.lines.length < 2 || box.dataset.all || line.values.some((n) => n > 0));
  const names = lines.map((line) => line.label).join("\n") || "-";
  const { times, rows } = box.dataset.draw === "bars" ? coarser({ times: past.times, rows: lines.map((line) => line.values) }) : withGaps(past, lines);
  const dots = times.length < 2; // one moment has no line
  const known = drawn[box.id];
  if (known && known.names === names && known.dots === dots) {
    Object.assign(known, { times, rows, marks: past.marks });
    known.chart.setData(fill(known));
    return;
  }
  if (known) known.chart.destroy();
  box.replaceChildren();
  if (!times.length || !lines.length) {
    const none = document.createElement("p");
    none.className = "quiet";
    none.textContent = box.dataset.none || "Nothing yet.";
    box.append(none);
    delete drawn[box.id];
    return;
  }
  const now = { box, names, dots, times, rows, marks: past.marks, stacked: chart.stacked, shown: lines.map(() => true) };
  const data = fill(now);
  now.chart = new uPlot(options(box, now, lines, chart), data, box);
  drawn[box.id] = now;
}

// list names what happened, for those who can't point at a line.
function list(box, marks) {
  const rows = marks.slice(-6).reverse().map((m) => {
    const row = document.createElement("li"), at = document.createElement("time");
    at.dateTime = moment(m.at);
    at.textContent = moment(m.at).slice(0, 16).replace("T", " ");
    let text = document.createTextNode(m.text);
    if (m.link) {
      text = Object.assign(document.createElement("a"), { href: m.link, textContent: m.text });
    }
    row.append(at, " ", text);
    return row;
  });
  box.replaceChildren(...rows);
}

async function drawCharts() {
  if (document.hidden) return;
  const addresses = new Set([...document.querySelectorAll("[data-chart]")].map((box) => box.dataset.chart));
  for (const address of addresses) {
    const past = await fetch(address).then((answer) => answer.ok && answer.json(), () => null); // null: the server is away
    if (!past || !past.charts) continue;
    document.querySelectorAll("[data-chart]").forEach((box) => {
      if (box.dataset.chart !== address) return;
      if (box.dataset.show === "marks") list(box, past.marks);
      else draw(box, past);
    });
  }
}

function redrawCharts() {
  Object.values(drawn).forEach((known) => known.chart.destroy());
  drawn = {};
  drawCharts();
}

document.addEventListener("DOMContentLoaded", drawCharts);
document.addEventListener("themechange", redrawCharts);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
document.addEventListener("visibilitychange", drawCharts);
addEventListener("resize", () => Object.values(drawn).forEach(({ box, chart }) => chart.setSize({ width: box.clientWidth, height: chartHeight })));
setInterval(drawCharts, document.querySelector("[data-chart-slow]") ? 60000 : 5000);
