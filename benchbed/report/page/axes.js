/* Axes, marks and legends that the plots share. Sizes are SVG user units; colours come from the style sheet. */

/* A scale from data to pixels with round ticks; logarithmic where asked. */
function scale(low, high, from, to, log = false) {
  if (log) {
    const [a, b] = [Math.log10(low), Math.log10(high)];
    const at = (value) => from + ((Math.log10(value) - a) / (b - a || 1)) * (to - from);
    return { at, ticks: logTicks(low, high), low, high };
  }
  const at = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  return { at, ticks: roundTicks(low, high), low, high };
}

function roundTicks(low, high, wanted = 6) {
  const rough = (high - low || 1) / wanted;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= rough) || 10 * unit;
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9; tick += step) ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
    for (const lead of [1, 2, 5]) ticks.push(Number((lead * 10 ** power).toPrecision(12)));
  return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
}

/* Room around data; a logarithmic axis gets it as a factor, a linear one never loses its zero to rounding. */
function padded(values, log, zero = false) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (log) return [low / 1.25, high * 1.45];
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  return [zero || (low >= 0 && low - room < 0) ? Math.min(0, low) : low - room, high + room];
}

function bottomAxis(x, top, bottom, title) {
  const middle = (x.at(x.low) + x.at(x.high)) / 2;
  return draw("g", { class: "axis" }, x.ticks.map((tick) => draw("g", {},
    draw("line", { class: "grid", x1: x.at(tick), x2: x.at(tick), y1: top, y2: bottom }),
    draw("text", { x: x.at(tick), y: bottom + 16, "text-anchor": "middle" }, short(tick)))),
  draw("text", { class: "title", x: middle, y: bottom + 36, "text-anchor": "middle" }, title));
}

function leftAxis(y, left, right, title) {
  const middle = (y.at(y.low) + y.at(y.high)) / 2;
  return draw("g", { class: "axis" }, y.ticks.map((tick) => draw("g", {},
    draw("line", { class: "grid", x1: left, x2: right, y1: y.at(tick), y2: y.at(tick) }),
    draw("text", { x: left - 7, y: y.at(tick) + 4, "text-anchor": "end" }, short(tick)))),
  draw("text", { class: "title", transform: `translate(14 ${middle}) rotate(-90)`, "text-anchor": "middle" }, title));
}

/* A marker: shape by family, colour by method, so that neither is needed alone. The keys are matplotlib's. */
const SHAPES = {
  o: "M0 -5.5A5.5 5.5 0 1 1 0 5.5A5.5 5.5 0 1 1 0 -5.5Z",
  s: "M-5 -5H5V5H-5Z",
  "^": "M0 -6.4L6 4.6H-6Z",
  v: "M0 6.4L6 -4.6H-6Z",
  "<": "M-6.4 0L4.6 6V-6Z",
  D: "M0 -7L7 0L0 7L-7 0Z",
  d: "M0 -7L4.5 0L0 7L-4.5 0Z",
  P: "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
  X: "M-6 -3L-3 -6L0 -3L3 -6L6 -3L3 0L6 3L3 6L0 3L-3 6L-6 3L-3 0Z",
  h: "M0 -6L5.2 -3V3L0 6L-5.2 3V-3Z",
  8: "M-2.4 -5.8H2.4L5.8 -2.4V2.4L2.4 5.8H-2.4L-5.8 2.4V-2.4Z",
  "*": "M0 -7L1.7 -2.2H6.7L2.7 0.9L4.2 5.7L0 2.8L-4.2 5.7L-2.7 0.9L-6.7 -2.2H-1.7Z",
};

function marker(row, x, y, attributes = {}) {
  const style = page.styles[row.method];
  return draw("path", { class: "marker", d: SHAPES[style.marker] || SHAPES.D, fill: style.colour, transform: `translate(${x} ${y})`, ...attributes });
}

/* A chart's frame; `words` says for everyone what it shows. */
function chart(width, height, sentence, ...children) {
  return draw("svg", { class: "chart", width, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": sentence }, ...children);
}

const caption = (text) => make("figcaption", {}, text);
const empty = (text) => make("p", { class: "empty" }, text);
