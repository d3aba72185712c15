/* Below the differences of two rows: images won and lost, and the IoU of every class. */

function imagesOf(a, b) {
  if (!a.images || !b.images || a.images.length !== b.images.length) return [];
  const ids = page.images[page.groups[a.group].images];
  const all = ids.map((id, i) => ({ id, first: a.images[i], second: b.images[i] }))
    .filter(({ first, second }) => first !== null && second !== null)
    .map((image) => ({ ...image, gain: image.first - image.second }))
    .sort((x, y) => y.gain - x.gain || (x.id < y.id ? -1 : 1));
  const won = all.filter(({ gain }) => gain > 0);
  const lost = all.filter(({ gain }) => gain < 0).reverse();
  const side = (title, images) => make("div", {}, make("h4", {}, title), make("ol", { class: "images" }, images.slice(0, 5).map((image) => make("li", {},
    make("code", {}, image.id), ` ${image.first.toFixed(1)} against ${image.second.toFixed(1)}`))));
  return [make("h3", {}, "Images"), make("p", { class: "status" },
    `${a.label} wins ${won.length}, loses ${lost.length}, ties ${all.length - won.length - lost.length}; mean IoU % of each image over the classes in its ground truth or prediction.`),
  make("div", { class: "columns" }, side(`Won most by ${a.label}`, won), side(`Won most by ${b.label}`, lost))];
}

/* Both methods' IoU of every class, sorted by the first's, seen and unseen apart. */
function classesOf(a, b) {
  if (!a.classes || !b.classes) return null;
  const { names, seen } = page.vocabularies[page.groups[a.group].vocabulary];
  const part = (title, wanted) => {
    const places = names.map((_, i) => i).filter((i) => Boolean(seen[i]) === wanted && (a.classes[i] !== null || b.classes[i] !== null));
    places.sort((i, j) => (a.classes[j] ?? -1) - (a.classes[i] ?? -1) || (b.classes[j] ?? -1) - (b.classes[i] ?? -1));
    return places.length ? make("figure", {}, caption(`${title} classes, sorted by ${a.label}`), classChart(places, names, a, b)) : null;
  };
  return make("div", {}, make("h3", {}, "IoU of each class"),
    make("ul", { class: "key" }, [a, b].map((row, i) => make("li", {}, draw("svg", { class: "swatch", viewBox: "-6 -6 12 12", "aria-hidden": "true" }, classMark(i, 0, 0)), row.label))),
    make("div", { class: "figures classes" }, [part("Unseen", false), part("Seen", true)].filter(Boolean)));
}

const classMark = (which, x, y) => (which === 0
  ? draw("circle", { class: "dot first", cx: x, cy: y, r: 4 }) : draw("rect", { class: "dot second", x: x - 3.6, y: y - 3.6, width: 7.2, height: 7.2 }));

function classChart(places, names, a, b) {
  const [width, left, step] = [460, 150, 17];
  const height = places.length * step + 46;
  const values = places.flatMap((i) => [a.classes[i], b.classes[i]]).filter((value) => value !== null);
  const x = scale(0, Math.max(1, ...values) * 1.04, left, width - 14);
  const lines = places.map((i, place) => {
    const y = place * step + 12;
    const [one, other] = [a.classes[i], b.classes[i]];
    const say = (value) => (value === null ? "left out" : `${value.toFixed(2)} %`);
    const line = draw("g", { class: "class", data: { class: names[i] } },
      draw("rect", { class: "hit", x: 0, y: y - step / 2, width, height: step }),
      draw("text", { class: "name", x: left - 8, y: y + 4, "text-anchor": "end" }, clipped(names[i], 22)),
      one !== null && other !== null ? draw("line", { class: "link", x1: x.at(one), x2: x.at(other), y1: y, y2: y }) : null,
      other !== null ? classMark(1, x.at(other), y) : null, one !== null ? classMark(0, x.at(one), y) : null);
    return explain(line, `${names[i]}: ${a.label} ${say(one)}, ${b.label} ${say(other)}`);
  });
  return chart(width, height, `IoU of ${places.length} classes`, bottomAxis(x, 2, height - 42, "IoU, %"), lines);
}

const clipped = (text, length) => ([...text].length > length ? `${[...text].slice(0, length - 1).join("")}…` : text);
