/* Any two rows side by side: paired differences, images won and lost, classes, speed. */

const measuredRows = page.rows.map((row, place) => ({ row, place })).filter(({ row }) => row.record !== null);

function startCompare() {
  if (!byId("compare")) return;
  const options = measuredRows.map(({ row, place }) => [place, `${row.label}: ${groupName(page.groups[row.group])}${row.random ? ", random weights" : ""} (${row.id})`]);
  fill(byId("first"), options);
  fill(byId("second"), options);
  const [first, second] = firstPair();
  byId("first").value = first;
  byId("second").value = second;
  for (const id of ["first", "second"]) byId(id).addEventListener("input", drawComparison);
  byId("swap").addEventListener("click", () => {
    [byId("first").value, byId("second").value] = [byId("second").value, byId("first").value];
    drawComparison();
  });
  drawComparison();
}

/* Two that may be ranked if there are such, else any two that were compared. */
function firstPair() {
  const pairs = Object.keys(page.pairs).map((key) => key.split("-").map(Number));
  const wanted = pairs.find((pair) => pair.every((place) => page.rows[place].ranked)) || pairs[0];
  return wanted || [measuredRows[0].place, measuredRows[measuredRows.length > 1 ? 1 : 0].place];
}

/* The pair as it is kept, and -1 where it is kept the other way round. */
function pairOf(first, second) {
  if (page.pairs[`${first}-${second}`]) return [page.pairs[`${first}-${second}`], 1];
  if (page.pairs[`${second}-${first}`]) return [page.pairs[`${second}-${first}`], -1];
  return [null, 1];
}

const chosenPair = () => [Number(byId("first").value), Number(byId("second").value)];

function drawComparison() {
  const [first, second] = chosenPair();
  const [a, b] = [page.rows[first], page.rows[second]];
  const [pair, sign] = pairOf(first, second);
  const content = first === second ? [empty("The same record twice: pick another.")]
    : a.group !== b.group ? [notComparable(a, b)]
      : pair ? comparison(a, b, pair, sign) : [noPair(a, b)];
  byId("comparison").replaceChildren(...content);
  document.dispatchEvent(new Event("pair"));
}

function notComparable(a, b) {
  const fields = [];
  const [one, other] = [page.groups[a.group], page.groups[b.group]];
  if (one.dataset !== other.dataset) fields.push(`dataset: ${one.dataset} / ${other.dataset}`);
  else if (one.coverage !== other.coverage) fields.push(`images: ${one.coverage} / ${other.coverage}`);
  const [p, q] = [a, b].map((row) => page.protocols[page.records[row.record].protocol]);
  for (const name of unique([...Object.keys(p), ...Object.keys(q)]))
    if (name !== "fingerprint" && plain(p[name] ?? "") !== plain(q[name] ?? "")) fields.push(`${name.replaceAll("_", " ")}: ${plain(p[name] ?? "none")} / ${plain(q[name] ?? "none")}`);
  return make("div", { class: "warning" }, make("p", {}, "These two are not comparable. They differ in"), make("ul", {}, fields.map((field) => make("li", {}, field))));
}

function noPair(a, b) {
  const missing = [a, b].filter((row) => !row.cells.miou).map((row) => row.label);
  if (missing.length) return empty(`${missing.join(" and ")}: accuracy was not measured, so there is nothing to pair.`);
  return make("p", { class: "empty" }, "This pair is not in the page, which keeps a limited number. On the command line: ", make("code", {}, `benchbed compare ${a.id} ${b.id}`));
}

function comparison(a, b, pair, sign) {
  const entries = page.compared.filter((key) => pair.differences[key]).map((key) => difference(key, a, b, pair.differences[key], sign));
  return [
    a.random || b.random ? make("p", { class: "warning" }, "Random weights among these two: the accuracy of random weights means nothing.") : null,
    make("div", { class: "scroll" }, make("table", { class: "pair" }, make("thead", {}, make("tr", {},
      ["", a.label, b.label, "First − second, points", "", "p", "p (Holm)", ""].map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, entries, speedLine(a, b, pair)))),
    make("p", { class: "status" }, `Paired bootstrap over the same images, both on the same draws; p two-sided. The last column judges this pair alone; p (Holm) is for who looks at all ${pair.family} pairs of this dataset and protocol, and cannot fall below ${pair.family} times the smallest p of 0.001.`),
    ...imagesOf(a, b),
    classesOf(a, b),
  ].filter(Boolean);
}

function difference(key, a, b, [value, low, high, p, holm], sign) {
  const [d, lo, hi] = sign > 0 ? [value, low, high] : [-value, -high, -low];
  const verdict = lo > 0 ? `${a.label} is better` : hi < 0 ? `${b.label} is better` : "undecided";
  const cells = [a, b].map((row) => make("td", {}, words(cellOf(row, key))));
  return make("tr", { data: { metric: key } }, make("th", { scope: "row" }, titled(columnOf(key))), cells,
    make("td", {}, `${signed(d)} [${signed(lo)}, ${signed(hi)}]`), make("td", {}, whisker(d, lo, hi)),
    make("td", {}, p.toFixed(3)), make("td", {}, holm.toFixed(3)), make("td", { class: lo > 0 || hi < 0 ? "decided" : "undecided" }, verdict));
}

function signed(value) {
  const text = Math.abs(value).toFixed(2);
  return text === "0.00" ? text : `${value < 0 ? "−" : "+"}${text}`;
}

/* An interval about zero, on a scale of its own. */
function whisker(d, low, high) {
  const reach = Math.max(Math.abs(low), Math.abs(high), 1e-9) * 1.1;
  const x = scale(-reach, reach, 2, 118);
  return draw("svg", { class: "whisker", viewBox: "0 0 120 18", "aria-hidden": "true" },
    draw("line", { class: "zero", x1: 60, x2: 60, y1: 1, y2: 17 }), draw("path", { class: "span", d: `M${x.at(low)} 5V13M${x.at(high)} 5V13M${x.at(low)} 9H${x.at(high)}` }),
    draw("circle", { cx: x.at(d), cy: 9, r: 2.6 }));
}

function speedLine(a, b, pair) {
  const cells = [a, b].map((row) => make("td", {}, words(cellOf(row, "latency"))));
  const slower = pair.slower === undefined ? null : page.rows[pair.slower];
  const text = slower ? `${slower.label} takes ${pair.ratio} times as long` : "not timed interleaved in one run: no ratio";
  return make("tr", { data: { metric: "latency" } }, make("th", { scope: "row" }, "latency, ms"), cells, make("td", { colspan: 5 }, text));
}
