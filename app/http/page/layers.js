/** What is laid over the picture: the evidence, and the outline of the lungs. */

// matplotlib's inferno at every 17th of its 256 colours; the service's own overlays have it too.
const INFERNO = [
  [0, 0, 4], [11, 7, 36], [32, 12, 74], [59, 9, 100], [85, 15, 109], [110, 25, 110], [136, 34, 106],
  [161, 43, 98], [186, 54, 85], [208, 70, 67], [227, 89, 51], [241, 113, 31], [249, 140, 10],
  [251, 173, 17], [247, 208, 60], [252, 255, 164],
];
const TRANSPARENT_BELOW = 0.2;
const FINER = 4;
const LUNGS = "#00d2ff";
const COLOURS = Uint32Array.from({ length: 256 }, (_, level) => colour(level / 255));

/**
 * What argues for a label, as colours whose opacity grows with it.
 * @param {number[][]} cam positive for PNEUMONIA, negative for NORMAL, over the whole image
 * @param {"PNEUMONIA"|"NORMAL"} label
 * @returns {HTMLCanvasElement}
 */
export function evidence(cam, label) {
  const [rows, columns] = [cam.length, cam[0].length];
  const [height, width] = [FINER * rows, FINER * columns];
  const peak = Math.max(...cam.map((row) => Math.max(...row.map(Math.abs))), Number.MIN_VALUE);
  const sign = (label === "PNEUMONIA" ? 1 : -1) / peak;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const across = places(width, columns);
  places(height, rows).forEach(([top, bottom, down], y) => {
    across.forEach(([left, right, along], x) => {
      const upper = cam[top][left] * (1 - along) + cam[top][right] * along;
      const lower = cam[bottom][left] * (1 - along) + cam[bottom][right] * along;
      const level = sign * (upper * (1 - down) + lower * down);
      pixels[y * width + x] = COLOURS[Math.round(255 * Math.max(level, 0))];
    });
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * Draw the outline of the lungs.
 * @param {CanvasRenderingContext2D} context
 * @param {number[][][]} curves points in shares of the image
 * @param {{left: number, top: number, width: number, height: number}} place of the image
 * @param {number} line its width in the context's pixels
 */
export function outline(context, curves, { left, top, width, height }, line) {
  context.beginPath();
  for (const curve of curves) {
    curve.forEach(([x, y], index) => {
      context[index ? "lineTo" : "moveTo"](left + x * width, top + y * height);
    });
    context.closePath();
  }
  context.lineJoin = "round";
  context.lineWidth = line;
  context.strokeStyle = LUNGS;
  context.stroke();
}

// Of each finer place, the two coarse ones that it lies between, and how near it is to the second.
function places(fine, coarse) {
  return Array.from({ length: fine }, (_, index) => {
    const place = Math.min(Math.max(((index + 0.5) * coarse) / fine - 0.5, 0), coarse - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, coarse - 1), place - first];
  });
}

// A level's colour, and its opacity, which grows with it: RGBA of a machine that is little-endian.
function colour(level) {
  const place = level * (INFERNO.length - 1);
  const first = Math.min(Math.floor(place), INFERNO.length - 2);
  const [red, green, blue] = INFERNO[first].map((value, channel) =>
    Math.round(value + (place - first) * (INFERNO[first + 1][channel] - value)));
  const alpha = Math.round(255 * Math.max((level - TRANSPARENT_BELOW) / (1 - TRANSPARENT_BELOW), 0));
  return (alpha << 24) | (blue << 16) | (green << 8) | red;
}
