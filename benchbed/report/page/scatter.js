/* One figure against another, with both intervals and the Pareto front of the rows that may be ranked. */

const PLOT = { width: 620, height: 400, left: 62, right: 20, top: 16, bottom: 52 };

function drawScatter() {
  const group = Number(byId("plot-group").value);
  const [across, up] = [columnOf(byId("plot-x").value), columnOf(byId("plot-y").value)];
  const points = page.rows.map((row, place) => ({ row, place, x: cellOf(row, across.key), y: cellOf(row, up.key) }))
    .filter(({ row, x, y }) => row.group === group && x && y && x.value !== null && y.value !== null);
  if (!points.length) return byId("scatter").replaceChildren(empty(`No row here has both ${up.label} and ${across.label}.`));
  const wide = points.flatMap(({ x }) => [x.value, x.low, x.high]).filter((value) => value !== null);
  const log = Math.min(...wide) > 0 && Math.max(...wide) / Math.min(...wide) > 5;
  const high = points.flatMap(({ y }) => [y.value, y.low, y.high]).filter((value) => value !== null);
  const { width, height, left, right, top, bottom } = PLOT;
  const x = scale(...padded(wide, log), left, width - right, log);
  const y = scale(...padded(high, false), height - bottom, top);
  const front = paretoFront(points.filter(({ row }) => row.ranked), across.better, up.better);
  const names = placeNames(points, x, y, width - right);
  byId("scatter").replaceChildren(chart(width, height, `${titled(up)} against ${titled(across)} of ${points.length} rows`,
    leftAxis(y, left, width - right, titled(up)),
    bottomAxis(x, top, height - bottom, `${titled(across)}${log ? " (logarithmic)" : ""}`),
    frontLine(front, x, y, across.better),
    points.map((point) => errorBars(point, x, y)),
    names.map(({ leader }) => leader && draw("line", leader)),
    points.map((point, i) => [
      names[i].attributes && draw("text", { class: point.row.ranked ? "name" : "name unranked", ...names[i].attributes }, point.row.label),
      pointMark(point, x, y, across, up)])),
  caption(`${up.label} against ${across.label}, bars: 95 % intervals. ${front.length > 1
    ? "Line: the Pareto front, which no ranked row beats in both."
    : front.length ? `${front[0].row.label} is best in both of the ranked rows.` : "No row here may be ranked, so there is no Pareto front."}`));
}

function pointMark({ row, place, x, y }, across, down, one, two) {
  const mark = marker(row, across.at(x.value), down.at(y.value), {
    class: row.ranked ? "marker" : "marker unranked", tabindex: "0", role: "button", data: { row: place },
    onclick: () => showProvenance(place, two.key),
    onkeydown: (event) => event.key === "Enter" && showProvenance(place, two.key),
  });
  return explain(mark, `${row.label}: ${titled(two)} ${words(y)}; ${titled(one)} ${words(x)}${row.random ? "; random weights" : ""}`);
}

function errorBars({ x, y }, across, down) {
  const [px, py] = [across.at(x.value), down.at(y.value)];
  const bars = draw("g", { class: "error" });
  if (x.low !== null && x.high !== null) bars.append(draw("line", { x1: across.at(x.low), x2: across.at(x.high), y1: py, y2: py }));
  if (y.low !== null && y.high !== null) bars.append(draw("line", { x1: px, x2: px, y1: down.at(y.low), y2: down.at(y.high) }));
  return bars;
}

/* Rows that no other equals or beats in both, from left to right. */
function paretoFront(points, across, up) {
  const cost = ({ x }) => -across * x.value;
  const gain = ({ y }) => up * y.value;
  return points.filter((a) => !points.some((b) => cost(b) <= cost(a) && gain(b) >= gain(a) && (cost(b) < cost(a) || gain(b) > gain(a))))
    .sort((a, b) => a.x.value - b.x.value);
}

/* In steps: nothing was measured between two points, and on a step something is as good in both. */
function frontLine(front, x, y, better) {
  const at = (one, other) => `${x.at(one.x.value)},${y.at(other.y.value)}`;
  const points = front.flatMap((point, i) => (i ? [better > 0 ? at(front[i - 1], point) : at(point, front[i - 1]), at(point, point)] : [at(point, point)]));
  return draw("polyline", { class: "front", points: points.join(" ") });
}

/* Names beside their points and above or below the bar through them, farther while they would lie on one another; where no
   place is free the pointer tells. */
function placeNames(points, x, y, edge) {
  const taken = points.map(({ x: a, y: b }) => ({ left: x.at(a.value) - 8, right: x.at(a.value) + 8, middle: y.at(b.value) }));
  return points.map(({ row, x: a, y: b }) => {
    const size = row.label.length * 6.2;
    const leftwards = x.at(a.value) + 10 + size > edge;
    const start = leftwards ? x.at(a.value) - 10 - size : x.at(a.value) + 10;
    const free = (middle) => !taken.some((box) => box.left < start + size && box.right > start && Math.abs(box.middle - middle) < 12);
    const tries = [-9, 9, -20, 20, -31, 31, -42, 42, -53, 53].map((shift) => y.at(b.value) + shift);
    const middle = tries.find((each) => free(each) && each > PLOT.top && each < PLOT.height - PLOT.bottom - 6);
    if (middle === undefined) return { leader: null, attributes: null };
    taken.push({ left: start, right: start + size, middle });
    const leader = Math.abs(middle - y.at(b.value)) > 12
      ? { class: "leader", x1: x.at(a.value), y1: y.at(b.value), x2: leftwards ? x.at(a.value) - 9 : start - 2, y2: middle } : null;
    return { leader, attributes: { x: leftwards ? x.at(a.value) - 10 : start, y: middle + 4, "text-anchor": leftwards ? "end" : "start" } };
  });
}
