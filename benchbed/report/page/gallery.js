/* Photo, ground truth, predictions and error maps; what lies under the pointer is named in every panel. */

/* `turn` counts what was asked for: an answer that comes after the next question is thrown away. */
const shown = { scene: 0, rows: new Set(), parts: [], turn: 0 };

function startGallery() {
  if (!byId("gallery")) return;
  const sets = unique(page.scenes.map((scene) => scene.group));
  fill(byId("gallery-set"), sets.map((group) => [group, groupName(page.groups[group])]));
  byId("gallery-set").addEventListener("input", chooseSet);
  byId("gallery-order").addEventListener("input", orderScenes);
  document.addEventListener("pair", orderNames);
  chooseSet();
}

const sceneRows = () => unique(scenesHere().flatMap((scene) => Object.keys(scene.predictions).map(Number)));
const scenesHere = () => page.scenes.filter((scene) => scene.group === Number(byId("gallery-set").value));

function chooseSet() {
  const rows = sceneRows();
  shown.rows = new Set(rows.slice(0, 4));
  byId("gallery-methods").replaceChildren(make("legend", {}, "Methods"), ...rows.map((place) => make("label", {}, make("input", {
    type: "checkbox", value: place, checked: shown.rows.has(place),
    onchange: (event) => { shown.rows[event.target.checked ? "add" : "delete"](place); drawScene(); },
  }), page.rows[place].label)));
  orderNames();
  orderScenes();
}

/* Show these rows and no others. */
function show(places) {
  shown.rows = new Set(places);
  for (const box of byId("gallery-methods").querySelectorAll("input")) box.checked = shown.rows.has(Number(box.value));
}

/* The orders to choose from: as they come, or by how much the two compared methods differ. */
function orderNames() {
  const [a, b] = chosenPair();
  const rows = sceneRows();
  const both = a !== b && rows.includes(a) && rows.includes(b);
  const before = byId("gallery-order").value;
  fill(byId("gallery-order"), [["given", "as kept"], ...(both ? [["apart", `${page.rows[a].label} and ${page.rows[b].label} differ most`]] : [])]);
  if (before === "apart") orderScenes();
}

async function orderScenes() {
  const turn = (shown.turn += 1);
  byId("panels").setAttribute("aria-busy", "true");
  const scenes = scenesHere().map((scene) => ({ scene, place: page.scenes.indexOf(scene) }));
  if (byId("gallery-order").value === "apart") {
    const [a, b] = chosenPair();
    for (const each of scenes) each.apart = await differenceOf(each.scene, a, b);
    if (turn !== shown.turn) return;
    scenes.sort((x, y) => y.apart - x.apart);
    show([a, b]);
  }
  shown.scene = scenes[0].place;
  byId("thumbnails").replaceChildren(...scenes.map(({ scene, place, apart }) => make("label", {},
    make("input", { type: "radio", name: "scene", value: place, checked: place === shown.scene, onchange: () => { shown.scene = place; drawScene(); } }),
    make("img", { src: scene.photo, alt: scene.id, title: scene.id }),
    apart === undefined ? null : make("span", {}, `${(100 * apart).toFixed(0)} % differ`))));
  await drawScene();
}

async function differenceOf(scene, a, b) {
  if (!scene.predictions[a] || !scene.predictions[b]) return 0;
  const [one, other, truth] = await Promise.all([scene.predictions[a], scene.predictions[b], scene.truth].map(async (each) => classesIn(await decode(each))));
  return disagreement(one, other, truth);
}

async function drawScene() {
  const turn = (shown.turn += 1);
  byId("panels").setAttribute("aria-busy", "true");
  const scene = page.scenes[shown.scene];
  const { colours, names, seen } = page.vocabularies[page.groups[scene.group].vocabulary];
  const photo = await decode(scene.photo);
  const truth = classesIn(await decode(scene.truth));
  const parts = [{ title: "Photo and ground truth", pictures: [photo, paint(photo, truth, truth, colours)], labels: truth }];
  for (const row of [...shown.rows].sort((a, b) => a - b)) {
    if (!scene.predictions[row]) continue;
    const labels = classesIn(await decode(scene.predictions[row]));
    const { label, random } = page.rows[row];
    const right = scene.right[row];
    parts.push({
      title: label, labels, pictures: [paint(photo, labels, truth, colours), paintErrors(photo, labels, truth, seen)],
      note: `${right === null ? "nothing labelled" : `${(100 * right).toFixed(0)} % right`}${random ? ", random weights" : ""}`,
    });
  }
  if (turn !== shown.turn) return;
  shown.parts = parts;
  byId("panels").replaceChildren(...parts.map((part) => panel(part, photo, names)));
  byId("under").textContent = `${scene.id}${scene.why ? `, ${scene.why}` : ""}. Point at a picture to see what each method calls the place.`;
  drawLegend(parts, names, colours);
  byId("panels").setAttribute("aria-busy", "false");
}

function panel(part, photo, names) {
  const canvases = part.pictures.map((picture, i) => {
    const what = `${part.title}${part.note ? `: ${i ? "errors" : "prediction"}, ${part.note}` : i ? ": ground truth" : ": photo"}`;
    const canvas = make("canvas", { width: photo.width, height: photo.height, role: "img", "aria-label": what });
    canvas.getContext("2d").putImageData(picture, 0, 0);
    canvas.addEventListener("pointermove", (event) => nameUnder(placeUnder(event, canvas), names));
    return canvas;
  });
  return make("figure", { class: "panel", data: { part: part.title } },
    make("figcaption", {}, make("strong", {}, part.title), make("span", {}, part.note || ""), make("span", { class: "here" })), canvases);
}

/* The pixel under the pointer, as a place in the label maps. */
function placeUnder(event, canvas) {
  const box = canvas.getBoundingClientRect();
  const along = (offset, length, pixels) => Math.min(pixels - 1, Math.max(0, Math.floor((offset / length) * pixels)));
  return along(event.clientY - box.y, box.height, canvas.height) * canvas.width + along(event.clientX - box.x, box.width, canvas.width);
}

function nameUnder(place, names) {
  const say = (label) => (label === IGNORED ? "ignored" : names[label]);
  byId("panels").querySelectorAll(".here").forEach((element, i) => {
    element.textContent = say(shown.parts[i].labels[place]);
  });
}

/* The classes that any panel shows, most pixels first. */
function drawLegend(parts, names, colours) {
  const pixels = new Map();
  for (const { labels } of parts) for (const label of labels) if (label !== IGNORED) pixels.set(label, (pixels.get(label) || 0) + 1);
  const order = [...pixels.keys()].sort((a, b) => pixels.get(b) - pixels.get(a)).slice(0, 40);
  const over = (colour) => `rgb(${colour.map((value) => Math.round(TINT * value + (1 - TINT) * lifted([128, 128, 128], 0))).join(" ")})`;
  byId("legend").replaceChildren(...order.map((label) => make("li", {}, swatch(over(colours[label])), names[label])),
    make("li", {}, draw("svg", { class: "swatch", viewBox: "0 0 10 10", "aria-hidden": "true" }, draw("path", { class: "stripes", d: "M0 4L4 0M0 10L10 0M6 10L10 6" })), "ignored"),
    make("li", {}, swatch(`rgb(${WRONG.join(" ")})`), "error maps: wrong"),
    make("li", {}, swatch(`rgb(${UNSEEN_AS_SEEN.join(" ")})`), "error maps: an unseen class taken for a seen one"));
}
