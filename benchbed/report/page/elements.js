/* Elements made from text alone: nothing on this page is ever parsed as HTML. */

const page = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/* An element with attributes and children; strings become text, null and false nothing. */
function make(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((each) => each !== null && each !== false && each !== undefined));
  return element;
}

/* The options of a <select>: [value, words] pairs; keeps the value where it still exists. */
function fill(select, options, chosen = select.value) {
  select.replaceChildren(...options.map(([value, words]) => make("option", { value }, words)));
  if (options.some(([value]) => String(value) === String(chosen))) select.value = chosen;
}

const unique = (values) => [...new Set(values)];

/* A cell is [text, interval, value, low, high, kind, rank]; kind is measured, derived or published. */
function cellOf(row, key) {
  const cell = row.cells[key];
  if (!cell) return null;
  const [text, interval, value, low, high, kind, rank] = cell;
  return { text, interval, value, low, high, kind, rank };
}

const words = (cell) => (cell ? `${cell.text}${cell.interval ? ` ${cell.interval}` : ""}` : "not measured");
const columnOf = (key) => page.columns.find((column) => column.key === key);
const titled = (column) => (column.unit ? `${column.label}, ${column.unit}` : column.label);

/* Three significant digits for axes; cells carry their own text. */
function short(number) {
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (size >= 1e6 || size < 1e-3) return number.toExponential(1);
  return String(Number(number.toPrecision(3)));
}

/* The words that follow pointer and focus. */
const tip = byId("tip");
function explain(element, sentence) {
  const show = (x, y) => {
    tip.textContent = sentence;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18}px`;
  };
  element.setAttribute("aria-label", sentence);
  element.addEventListener("pointermove", (event) => show(event.clientX, event.clientY));
  element.addEventListener("pointerleave", () => (tip.hidden = true));
  element.addEventListener("focus", () => {
    const box = element.getBoundingClientRect();
    show(box.x + box.width / 2, box.y + box.height / 2);
  });
  element.addEventListener("blur", () => (tip.hidden = true));
  return element;
}
