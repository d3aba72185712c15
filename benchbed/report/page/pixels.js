/* Label maps as pixels: a map travels as a PNG whose red and green bytes are the class; the colours are given here. */

const TINT = 0.62; // share of the class's colour over the grey photo, as in the bench's other pictures
const IGNORED = 65535;
const decoded = new Map(); // address -> a promise of what it holds

function decode(address) {
  if (!decoded.has(address)) decoded.set(address, load(address));
  return decoded.get(address);
}

async function load(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/* The classes of a label picture, one number a pixel; `IGNORED` where nothing is labelled. */
function classesIn(picture) {
  const labels = new Uint16Array(picture.width * picture.height);
  for (let i = 0; i < labels.length; i += 1) labels[i] = picture.data[4 * i] + 256 * picture.data[4 * i + 1];
  return labels;
}

/* Grey photo under the classes' colours, a light line where two meet, stripes where ignored. */
function paint(photo, labels, truth, colours) {
  const result = new ImageData(photo.width, photo.height);
  const width = photo.width;
  for (let i = 0; i < labels.length; i += 1) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const grey = lifted(photo.data, i);
    const edge = (x + 1 < width && labels[i] !== labels[i + 1]) || (i + width < labels.length && labels[i] !== labels[i + width]);
    const colour = labels[i] === IGNORED ? null : colours[labels[i]];
    for (let c = 0; c < 3; c += 1) {
      let value = colour ? TINT * colour[c] + (1 - TINT) * grey : grey;
      if (edge) value = 0.4 * value + 0.6 * 255;
      else if (labels[i] === IGNORED) value = striped(x, y);
      else if (truth[i] === IGNORED) value = faded(x, y, value);
      result.data[4 * i + c] = value;
    }
    result.data[4 * i + 3] = 255;
  }
  return result;
}

/* Colours of mistakes (Okabe and Ito), as in the report's other galleries. */
const WRONG = [0, 114, 178];
const UNSEEN_AS_SEEN = [213, 94, 0];

/* Right pixels pale; wrong ones coloured, an unseen class taken for a seen one in a colour of its own; ignored ones striped. */
function paintErrors(photo, labels, truth, seen) {
  const result = new ImageData(photo.width, photo.height);
  for (let i = 0; i < labels.length; i += 1) {
    const grey = lifted(photo.data, i);
    const [x, y] = [i % photo.width, Math.floor(i / photo.width)];
    const mistake = !seen[truth[i]] && seen[labels[i]] ? UNSEEN_AS_SEEN : WRONG;
    for (let c = 0; c < 3; c += 1) {
      const right = 0.55 * grey + 0.45 * 255;
      const wrong = 0.25 * grey + 0.75 * mistake[c];
      result.data[4 * i + c] = truth[i] === IGNORED ? striped(x, y) : labels[i] === truth[i] ? right : wrong;
    }
    result.data[4 * i + 3] = 255;
  }
  return result;
}

/* Grey strokes on white; and, where nobody labelled, strokes over a pale trace of what a method says. */
const striped = (x, y) => ((x + y) % 7 < 2 ? 190 : 246);
const faded = (x, y, value) => ((x + y) % 7 < 2 ? 0.5 * value + 0.5 * 120 : 0.5 * value + 0.5 * 246);

function lifted(data, i) {
  return 80 + ((0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]) * 175) / 255;
}

/* Share of the labelled pixels on which two maps differ. */
function disagreement(one, other, truth) {
  let [apart, all] = [0, 0];
  for (let i = 0; i < truth.length; i += 1) {
    if (truth[i] === IGNORED) continue;
    all += 1;
    apart += one[i] !== other[i];
  }
  return all ? apart / all : 0;
}
