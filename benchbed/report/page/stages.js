/* Where the time of one image goes: one bar a row, one piece a stage. */

function drawStages() {
  const group = Number(byId("plot-group").value);
  const rows = page.rows.map((row, place) => ({ row, place })).filter(({ row }) => row.group === group && row.stages.length);
  if (!rows.length) return byId("stages").replaceChildren(empty("No row here was timed by stage."));
  const total = ({ row }) => row.stages.reduce((sum, [, ms]) => sum + ms, 0);
  rows.sort((a, b) => total(a) - total(b));
  const [width, left, bar] = [620, 150, 26];
  const height = rows.length * bar + 60;
  const x = scale(0, Math.max(...rows.map(total)) * 1.12, left, width - 16);
  const used = page.stages.filter((stage) => rows.some(({ row }) => row.stages.some(([name]) => name === stage.name)));
  const order = (name) => page.stages.findIndex((stage) => stage.name === name);
  for (const { row } of rows) row.stages.sort(([a], [b]) => order(a) - order(b));
  byId("stages").replaceChildren(
    make("ul", { class: "key" }, used.map((stage) => make("li", {}, swatch(stage.colour), stage.name.replaceAll("_", " ")))),
    chart(width, height, `Median milliseconds of each stage of ${rows.length} rows`,
      bottomAxis(x, 4, height - 50, "median latency of one image by stage, ms"),
      rows.map((line, i) => stageBar(line, i * bar + 6, bar - 8, x, left, total(line)))),
    caption("Medians of stages need not add up to the median of the whole. Unaccounted: what no stage claims."));
}

function stageBar({ row, place }, top, height, x, left, total) {
  let start = 0;
  const pieces = row.stages.map(([name, ms]) => {
    const from = x.at(start);
    start += ms;
    const piece = draw("rect", {
      class: "piece", x: from, y: top, width: Math.max(0.4, x.at(start) - from), height, fill: stageColour(name), data: { stage: name },
      onclick: () => row.cells.latency && showProvenance(place, "latency"),
    });
    return explain(piece, `${row.label}: ${name.replaceAll("_", " ")} ${ms.toFixed(2)} ms, ${((100 * ms) / total).toFixed(0)} % of the bar`);
  });
  return draw("g", {}, draw("text", { class: "name", x: left - 8, y: top + height / 2 + 4, "text-anchor": "end" }, row.label), pieces,
    draw("text", { class: "total", x: x.at(start) + 5, y: top + height / 2 + 4 }, total.toFixed(1)));
}

const stageColour = (name) => (page.stages.find((stage) => stage.name === name) || { colour: "#999999" }).colour;

/* A small square of a colour, as SVG because the page's policy allows no style attributes. */
const swatch = (colour) => draw("svg", { class: "swatch", viewBox: "0 0 10 10", "aria-hidden": "true" }, draw("rect", { width: 10, height: 10, rx: 2, fill: colour }));

function startPlots() {
  if (!byId("plots")) return;
  const measured = page.groups.map((group, index) => [index, group]).filter(([index]) => page.rows.some((row) => row.group === index && row.record !== null));
  fill(byId("plot-group"), measured.map(([index, group]) => [index, groupName(group)]));
  const has = (column) => page.rows.some((row) => row.record !== null && row.cells[column.key]);
  const options = (side) => page.columns.filter((column) => column.plot === side && has(column)).map((column) => [column.key, titled(column)]);
  fill(byId("plot-y"), options("up"), "hiou");
  fill(byId("plot-x"), options("across"), "latency");
  for (const id of ["plot-group", "plot-y", "plot-x"]) byId(id).addEventListener("input", drawPlots);
  drawPlots();
}

function drawPlots() {
  if (byId("plot-x").value && byId("plot-y").value) drawScatter();
  else byId("scatter").replaceChildren(empty("There is nothing to plot against each other: accuracy or cost was not measured."));
  drawStages();
}

const groupName = (group) => `${group.dataset}, ${group.coverage}, protocol ${group.protocol} ${group.fingerprint}`;
