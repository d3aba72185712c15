/* Where a number comes from: one click, or Enter, on it. The address of the page then names it too. */

function showProvenance(place, key) {
  const row = page.rows[place];
  const column = columnOf(key);
  const cell = cellOf(row, key);
  byId("provenance-title").textContent = `${row.label}: ${titled(column)}`;
  byId("provenance-content").replaceChildren(headline(cell, column), ...sourceOf(row));
  const dialog = byId("provenance");
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  history.replaceState(null, "", `#${encodeURIComponent(row.id)}/${key}`);
}

function headline(cell, column) {
  const level = cell.interval ? `95 % interval ${cell.interval}` : "no interval";
  return make("p", { class: "headline" },
    make("span", { class: `value ${cell.kind}` }, `${cell.text}${column.unit ? ` ${column.unit}` : ""}`),
    make("span", {}, `${cell.kind}; ${level}`), make("span", { class: "how" }, column.how));
}

function sourceOf(row) {
  if (row.record === null) return [list("Published", { source: row.source })];
  const record = page.records[row.record];
  return [
    list("Record", record.record),
    list("Weights", record.weights),
    list("Dataset", record.dataset),
    list(`Protocol ${page.protocols[record.protocol].fingerprint}`, page.protocols[record.protocol]),
    record.resolved ? list("What the protocol meant for this method", record.resolved) : null,
    list("Machine", page.machines[record.machine]),
    list("Load when it was measured", record.load),
    record.said.length ? make("h3", {}, "Said of this record") : null,
    record.said.length ? make("ul", {}, record.said.map((sentence) => make("li", {}, sentence))) : null,
  ].filter(Boolean);
}

function list(title, content) {
  const entries = Object.entries(content).filter(([, value]) => value !== null && value !== "");
  if (!entries.length) return null;
  return make("section", {}, make("h3", {}, title), make("dl", {}, entries.map(([name, value]) => [
    make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, plain(value))])));
}

function plain(value) {
  if (Array.isArray(value)) return value.map(plain).join(", ");
  if (value && typeof value === "object") return Object.entries(value).map(([name, each]) => `${name.replaceAll("_", " ")} ${plain(each)}`).join("; ");
  return String(value);
}

function startProvenance() {
  const dialog = byId("provenance");
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  const [id, key] = decodeURIComponent(location.hash.slice(1)).split("/");
  const place = page.rows.findIndex((row) => row.id === id);
  if (place >= 0 && key && page.rows[place].cells[key]) showProvenance(place, key);
}
