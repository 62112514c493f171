/** A picture of 16 bits, seen through a window. */

const WHITE = 65535;
const SAMPLES = 250_000;

export class Picture {
  /** @param answer of `POST /picture` as raw pixels: little-endian, as every browser's machine is */
  constructor({ body, header }) {
    const number = (name) => Number(header(name));
    this.pixels = new Uint16Array(body);
    this.width = number("X-Picture-Width");
    this.height = number("X-Picture-Height");
    this.slope = number("X-Rescale-Slope");
    this.intercept = number("X-Rescale-Intercept");
    /** The windows that there are presets of, in the image's own units. */
    this.windows = {
      sent: { center: number("X-Window-Center"), width: number("X-Window-Width") },
      full: this.#between(0, WHITE),
    };
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.width;
    this.canvas.height = this.height;
    this.#context = this.canvas.getContext("2d");
    this.#shown = this.#context.createImageData(this.width, this.height);
  }

  #context;
  #shown;
  #drawn = "";

  /** The lowest and the highest value, in the image's units. */
  get range() {
    const { center, width } = this.windows.full;
    return [center - width / 2, center + width / 2];
  }

  /** The value at a pixel, in the image's units. */
  value(x, y) {
    return this.pixels[y * this.width + x] * this.slope + this.intercept;
  }

  /**
   * Add windows to the lungs, and to what is between them.
   * @param {{lungs: number[][]}} maps P(lung), rows over the whole image
   * @param {number[]} box around the lungs, in shares of the image
   */
  addLungWindows(maps, [left, top, right, bottom]) {
    const inside = [];
    const between = [];
    const rows = maps.lungs.length;
    const columns = maps.lungs[0].length;
    const step = Math.max(1, Math.round(Math.sqrt(this.pixels.length / SAMPLES)));
    for (let y = Math.ceil(top * this.height); y < bottom * this.height; y += step) {
      const row = maps.lungs[Math.floor((y * rows) / this.height)];
      for (let x = Math.ceil(left * this.width); x < right * this.width; x += step) {
        const isLung = row[Math.floor((x * columns) / this.width)] >= 0.5;
        (isLung ? inside : between).push(this.pixels[y * this.width + x]);
      }
    }
    for (const [name, values, low, high] of [["lungs", inside, 0.01, 0.99], ["mediastinum", between, 0.1, 0.995]]) {
      if (!values.length) continue;
      const ordered = Uint16Array.from(values).sort();
      const quantile = (share) => ordered[Math.round(share * (ordered.length - 1))];
      this.windows[name] = this.#between(quantile(low), Math.max(quantile(high), quantile(low) + 1));
    }
  }

  /**
   * Draw the picture through a window onto its own canvas.
   * @returns {HTMLCanvasElement} which is drawn anew by the next call
   */
  through({ center, width }, inverted = false) {
    const asked = `${center} ${width} ${inverted}`;
    if (asked === this.#drawn) return this.canvas;
    this.#drawn = asked;
    const ends = [-1, 1].map((side) => (center + (side * width) / 2 - this.intercept) / this.slope);
    const black = Math.min(...ends);
    const scale = 255 / Math.max(Math.max(...ends) - black, 1e-6);
    // RGBA of a machine that is little-endian.
    const colours = new Uint32Array(WHITE + 1);
    for (let value = 0; value <= WHITE; value += 1) {
      let gray = Math.round(Math.min(Math.max((value - black) * scale, 0), 255));
      if (inverted) gray = 255 - gray;
      colours[value] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
    }
    const target = new Uint32Array(this.#shown.data.buffer);
    const { pixels } = this;
    for (let index = 0; index < target.length; index += 1) target[index] = colours[pixels[index]];
    this.#context.putImageData(this.#shown, 0, 0);
    return this.canvas;
  }

  #between(low, high) {
    const ends = [low, high].map((pixel) => pixel * this.slope + this.intercept);
    return { center: (ends[0] + ends[1]) / 2, width: Math.abs(ends[1] - ends[0]) };
  }
}

/** A number in the image's units, as short as it may be. */
export function short(value, width) {
  return value.toFixed(width < 10 ? 3 : width < 100 ? 1 : 0);
}
