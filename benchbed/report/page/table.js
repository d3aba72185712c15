/* The table of results: views, sorting within groups, filtering, walking by arrow keys. */

const looked = { view: page.views[0][0], sort: null, direction: 0 };
const lines = []; // one { row, element } a row of the present view

function columnsOf(view) {
  return page.columns.filter((column) => column.views.includes(view) && page.rows.some((row) => row.cells[column.key]));
}

function buildTable() {
  const columns = columnsOf(looked.view);
  byId("table").tHead.replaceChildren(headRow(columns));
  for (const body of [...byId("table").tBodies]) body.remove();
  lines.length = 0;
  page.groups.forEach((group, index) => byId("table").append(groupBody(group, index, columns)));
  arrange();
  const first = byId("table").querySelector("tbody button.cell");
  if (first) first.tabIndex = 0;
}

function headRow(columns) {
  const heads = columns.map((column) => {
    const sorted = looked.sort === column.key ? looked.direction : 0;
    const state = sorted ? (sorted > 0 ? "ascending" : "descending") : "none";
    const arrow = make("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (sorted > 0 ? "▲" : "▼") : "");
    const button = make("button", { type: "button", title: column.how, onclick: () => sortBy(column) }, column.label, arrow);
    const unit = column.unit ? make("span", { class: "unit" }, column.unit) : null;
    return make("th", { scope: "col", "aria-sort": state, data: { key: column.key } }, button, unit);
  });
  return make("tr", {}, make("th", { scope: "col", class: "method" }, "Method"), heads);
}

/* First click: best first; second: worst first; third: as it was. */
function sortBy(column) {
  const best = column.better > 0 ? -1 : 1;
  if (looked.sort !== column.key) Object.assign(looked, { sort: column.key, direction: best });
  else if (looked.direction === best) looked.direction = -best;
  else Object.assign(looked, { sort: null, direction: 0 });
  byId("table").tHead.replaceChildren(headRow(columnsOf(looked.view)));
  arrange();
  byId("table").tHead.querySelector(`[data-key="${column.key}"] button`).focus();
}

function groupBody(group, index, columns) {
  const heading = make("th", { colspan: columns.length + 1, scope: "rowgroup" },
    make("strong", {}, group.dataset), ` ${group.coverage} `,
    group.fingerprint ? make("span", { class: "protocol" }, `protocol ${group.protocol} ${group.fingerprint}`) : null,
    group.apart.map((sentence) => make("span", { class: "apart" }, sentence)));
  const rows = [];
  page.rows.forEach((row, place) => {
    if (row.group !== index) return;
    const element = make("tr", { class: row.ranked || row.record === null ? null : "unranked", data: { row: place } }, methodCell(row),
      columns.map((column) => make("td", {}, cellButton(row, place, column))));
    lines.push({ row, element });
    rows.push(element);
  });
  return make("tbody", { data: { group: index } }, make("tr", { class: "group" }, heading), rows);
}

function methodCell(row) {
  return make("th", { scope: "row", class: "method" }, make("span", { class: "label" }, row.label),
    make("sup", { class: "marks" }, ""), make("span", { class: "weights" }, row.weights));
}

function cellButton(row, place, column) {
  const cell = cellOf(row, column.key);
  if (!cell) return make("span", { class: "absent", "aria-label": "not measured" }, "–");
  const rank = { 1: "best", 2: "second" }[cell.rank];
  const value = make("span", { class: ["value", cell.kind, rank].filter(Boolean).join(" ") }, cell.text);
  const spoken = `${row.label}, ${titled(column)}: ${words(cell)}, ${cell.kind}${rank ? `, ${rank}` : ""}; show provenance`;
  return make("button", {
    type: "button", class: "cell", tabindex: "-1", "aria-label": spoken, data: { column: column.key },
    onclick: () => showProvenance(place, column.key),
  }, value, cell.interval ? make("span", { class: "interval" }, cell.interval) : null);
}

/* Put the rows that pass the filter in order, each group by itself, and number the notes that they need. */
function arrange() {
  const value = ({ row }) => (cellOf(row, looked.sort) || {}).value;
  const kept = new Set(lines.filter(({ row }) => passes(row)));
  for (const body of byId("table").tBodies) {
    const own = lines.filter(({ element }) => element.parentNode === body);
    if (looked.sort) own.sort((a, b) => byValue(value(a), value(b)));
    else own.sort((a, b) => a.element.dataset.row - b.element.dataset.row);
    for (const line of own) {
      line.element.hidden = !kept.has(line);
      body.append(line.element);
    }
    body.hidden = !own.some((line) => kept.has(line));
  }
  numberNotes([...byId("table").querySelectorAll("tbody tr[data-row]:not([hidden])")]);
  byId("status").textContent = kept.size === lines.length
    ? `${lines.length} ${lines.length === 1 ? "row" : "rows"}` : `${kept.size} of ${lines.length} rows`;
}

/* What is missing comes last, whatever the direction. */
function byValue(a, b) {
  const [noA, noB] = [a === null || a === undefined, b === null || b === undefined];
  if (noA || noB) return noA - noB;
  return looked.direction * (a - b);
}

function passes(row) {
  const group = page.groups[row.group];
  const text = `${row.label} ${row.weights} ${row.family} ${group.dataset} ${group.protocol} ${group.fingerprint} ${row.id}`.toLowerCase();
  const wanted = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  return wanted.every((word) => text.includes(word))
    && ["", group.dataset].includes(byId("dataset").value)
    && ["", group.protocol].includes(byId("protocol").value)
    && KINDS[byId("kind").value](row, group);
}

/* What "Rows" offers; the first is shown at first. */
const measuredSets = new Set(page.rows.filter((row) => row.record !== null).map((row) => page.groups[row.group].dataset));
const KINDS = {
  here: (row, group) => row.record !== null || measuredSets.has(group.dataset),
  measured: (row) => row.record !== null,
  trained: (row) => row.sort === "trained",
  random: (row) => row.random,
  supervised: (row) => row.sort === "supervised",
  published: (row) => row.record === null,
  all: () => true,
};
const KIND_NAMES = {
  here: "datasets measured here", measured: "measured", trained: "trained weights", random: "random weights",
  supervised: "supervised references", published: "published†", all: "all",
};

function kindOptions() {
  const count = (kind) => page.rows.filter((row) => KINDS[kind](row, page.groups[row.group])).length;
  return Object.keys(KINDS).filter((kind) => count(kind)).map((kind) => [kind, `${KIND_NAMES[kind]} (${count(kind)})`]);
}

function numberNotes(shown) {
  const numbers = new Map();
  for (const element of shown) {
    const row = page.rows[element.dataset.row];
    for (const note of row.notes) if (!numbers.has(note)) numbers.set(note, numbers.size + 1);
    element.querySelector(".marks").textContent = row.notes.map((note) => numbers.get(note)).sort((a, b) => a - b).join(",");
  }
  byId("notes").replaceChildren(...[...numbers.keys()].map((note) => make("li", {}, page.notes[note])));
}

/* One stop for Tab; arrows walk from number to number. */
function walk(event) {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const step = steps[event.key];
  const here = event.target.closest("button.cell");
  if (!step || !here) return;
  event.preventDefault();
  const rows = [...byId("table").querySelectorAll("tbody:not([hidden]) tr[data-row]:not([hidden])")];
  let line = rows.indexOf(here.closest("tr"));
  let place = here.closest("td").cellIndex;
  for (;;) {
    [line, place] = [line + step[0], place + step[1]];
    const cell = rows[line] && rows[line].cells[place];
    if (!cell || place < 1) return;
    const next = cell.querySelector("button.cell");
    if (!next) continue;
    stopAt(next);
    next.focus();
    return;
  }
}

function stopAt(button) {
  for (const each of byId("table").querySelectorAll('button.cell[tabindex="0"]')) each.tabIndex = -1;
  button.tabIndex = 0;
}

function startTable() {
  const groups = page.groups;
  fill(byId("dataset"), [["", "all"], ...unique(groups.map((group) => group.dataset)).map((name) => [name, name])]);
  fill(byId("protocol"), [["", "all"], ...unique(groups.map((group) => group.protocol)).filter(Boolean).map((name) => [name, name])]);
  fill(byId("kind"), kindOptions());
  for (const id of ["words", "dataset", "protocol", "kind"]) byId(id).addEventListener("input", arrange);
  byId("views").append(...page.views.map(([key, label]) => make("label", {},
    make("input", {
      type: "radio", name: "view", value: key, checked: key === looked.view,
      onchange: () => { Object.assign(looked, { view: key, sort: null, direction: 0 }); buildTable(); },
    }), make("span", {}, label))));
  byId("table").addEventListener("keydown", walk);
  byId("table").addEventListener("focusin", (event) => event.target.matches("button.cell") && stopAt(event.target));
  buildTable();
}
