/** The picture: zoom and pan, window and level, and the layers on it. */

import { at, press } from "./dom.js";
import { outline } from "./layers.js";
import { short } from "./picture.js";

const STEP = 1.25;
const FURTHEST = 24;
// Pixels of a drag that make a window e times as wide, or move it by its width.
const DRAG = 300;
const SLIDER = 1000;
// Of an image's range, the narrowest window that the slider gives.
const NARROWEST = 1 / 2000;

/** How far the arrow keys move the picture, in shares of the pane. */
export const NUDGE = 0.06;

/** Two canvases that show one picture alike: without layers, and with them. */
export class Viewer {
  #panes = ["plain", "laid"].map((id) => ({ figure: at(id), canvas: at(id).firstElementChild }));
  #picture = null;
  #window = { center: 0, width: 1 };
  #view = { zoom: 1, x: 0.5, y: 0.5 };
  #pointers = new Map();
  #isQueued = false;

  /** What is on; the page's buttons and keys set it, and then call `refresh`. */
  options = { inverted: false, beside: false, map: true, lungs: true, opacity: 0.55, drag: "window" };
  /** What is laid over: the evidence as a canvas, and the outline's curves. */
  layers = { map: null, curves: [] };

  constructor() {
    const resized = new ResizeObserver(() => this.refresh());
    for (const { canvas } of this.#panes) {
      resized.observe(canvas);
      this.#listen(canvas);
    }
    at("level").addEventListener("input", () => this.#slide());
    at("width").addEventListener("input", () => this.#slide());
  }

  get picture() {
    return this.#picture;
  }

  /** The window, in words. */
  get seen() {
    const [low, high] = this.#picture.range;
    const [level, width] = [this.#window.center, this.#window.width].map((value) => short(value, high - low));
    return `Level ${level}, width ${width}${this.options.inverted ? ", inverted" : ""}`;
  }

  /** Show a picture as it is meant to be seen, whole; or none, and why. */
  show(picture, name, reason = "") {
    this.#picture = picture;
    this.layers = { map: null, curves: [] };
    const label = picture ? `X-ray ${name}. Arrow keys pan, with Shift they set the window.` : "No picture";
    for (const { canvas } of this.#panes) canvas.setAttribute("aria-label", label);
    at("nothing").hidden = Boolean(picture);
    at("nothing").textContent = reason;
    at("levels").classList.toggle("off", !picture);
    at("readout").textContent = "";
    if (picture) this.#window = { ...picture.windows.sent };
    this.fit();
  }

  fit() {
    this.#view = { zoom: 1, x: 0.5, y: 0.5 };
    this.refresh();
  }

  /** Show the picture through one of its windows, where it has that. */
  preset(name) {
    const found = this.#picture?.windows[name];
    if (!found) return;
    this.#window = { ...found };
    this.refresh();
  }

  /** Zoom in by a step, or out; around a place in shares of the pane. */
  zoom(steps, place = { x: 0.5, y: 0.5 }, canvas = this.#panes[1].canvas) {
    this.#zoomTo(this.#view.zoom * STEP ** steps, place, canvas);
  }

  /** Move what is seen, in shares of the pane. */
  pan(right, down) {
    const { width, height } = this.#place(this.#panes[1].canvas);
    const canvas = this.#panes[1].canvas;
    this.#view.x += (right * canvas.width) / width;
    this.#view.y += (down * canvas.height) / height;
    this.refresh();
  }

  /** Make the window brighter or wider, in shares of its width. */
  adjust(brighter, wider) {
    if (!this.#picture) return;
    const { width } = this.#window;
    this.#window.center -= Math.sign(this.#picture.slope) * brighter * width;
    this.#window.width = Math.max(width * Math.exp(wider), Math.abs(this.#picture.slope));
    this.refresh();
  }

  /** Draw, in the next frame. */
  refresh() {
    if (this.#isQueued) return;
    this.#isQueued = true;
    requestAnimationFrame(() => {
      this.#isQueued = false;
      this.#draw();
    });
  }

  /** The picture with or without layers on a canvas of its own, its longest side as given. */
  drawn(side, withLayers) {
    const canvas = document.createElement("canvas");
    const { width, height } = this.#picture;
    const scale = side / Math.max(width, height);
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const place = { left: 0, top: 0, width: canvas.width, height: canvas.height };
    this.#paint(canvas.getContext("2d"), place, withLayers, side / 500);
    return canvas;
  }

  #draw() {
    const { beside, inverted, drag, map, lungs } = this.options;
    this.#panes[0].figure.hidden = !beside;
    this.#panes[1].figure.lastElementChild.hidden = !beside;
    press("beside", beside);
    press("invert", inverted);
    press("drag-window", drag === "window");
    press("drag-pan", drag === "pan");
    press("map", map);
    press("lungs", lungs);
    this.#tellWindow();
    this.#panes.forEach(({ figure, canvas }, index) => {
      if (figure.hidden) return;
      this.#fitPixels(canvas);
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      if (this.#picture) this.#paint(context, this.#place(canvas), index === 1, devicePixelRatio * 1.5);
    });
  }

  #paint(context, place, withLayers, line) {
    const { left, top, width, height } = place;
    context.imageSmoothingQuality = "high";
    const shown = this.#picture.through(this.#window, this.options.inverted);
    context.drawImage(shown, left, top, width, height);
    if (!withLayers) return;
    const { map, curves } = this.layers;
    if (map && this.options.map) {
      context.globalAlpha = this.options.opacity;
      context.drawImage(map, left, top, width, height);
      context.globalAlpha = 1;
    }
    if (this.options.lungs) outline(context, curves, place, line);
  }

  // As many pixels as the screen has there.
  #fitPixels(canvas) {
    const width = Math.round(canvas.clientWidth * devicePixelRatio);
    const height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  }

  // Where the whole image lies, in the canvas's pixels.
  #place(canvas) {
    const image = this.#picture ?? { width: 1, height: 1 };
    const view = this.#view;
    view.x = Math.min(Math.max(view.x, 0), 1);
    view.y = Math.min(Math.max(view.y, 0), 1);
    const scale = view.zoom * Math.min(canvas.width / image.width, canvas.height / image.height);
    const [width, height] = [image.width * scale, image.height * scale];
    return { left: canvas.width / 2 - view.x * width, top: canvas.height / 2 - view.y * height, width, height };
  }

  #zoomTo(zoom, { x, y }, canvas) {
    const before = this.#place(canvas);
    this.#view.zoom = Math.min(Math.max(zoom, 1), FURTHEST);
    if (this.#view.zoom === 1) {
      this.fit();
      return;
    }
    const after = this.#place(canvas);
    // The place stays where it is.
    const [right, down] = [(x - 0.5) * canvas.width, (y - 0.5) * canvas.height];
    this.#view.x += right / before.width - right / after.width;
    this.#view.y += down / before.height - down / after.height;
    this.refresh();
  }

  #tellWindow() {
    for (const button of document.querySelectorAll('[data-does^="preset-"]')) {
      const found = this.#picture?.windows[button.dataset.does.slice("preset-".length)];
      button.disabled = !found;
      const isOn = found && found.center === this.#window.center && found.width === this.#window.width;
      button.setAttribute("aria-pressed", String(Boolean(isOn)));
    }
    for (const id of ["level", "width"]) at(id).disabled = !this.#picture;
    if (!this.#picture) {
      at("level-value").textContent = at("width-value").textContent = "";
      return;
    }
    const { center, width } = this.#window;
    const [low, high] = this.#picture.range;
    at("level").value = (SLIDER * (center - low)) / (high - low);
    at("width").value = SLIDER * (1 - Math.log(width / (high - low)) / Math.log(NARROWEST));
    at("level-value").textContent = short(center, high - low);
    at("width-value").textContent = short(width, high - low);
  }

  #slide() {
    const [low, high] = this.#picture.range;
    this.#window = {
      center: low + ((high - low) * at("level").value) / SLIDER,
      width: (high - low) * NARROWEST ** (1 - at("width").value / SLIDER),
    };
    this.refresh();
  }

  #listen(canvas) {
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(-Math.sign(event.deltaY), shareOf(event, canvas), canvas);
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => this.zoom(3, shareOf(event, canvas), canvas));
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button === 2) return;
      // The middle button would scroll.
      if (event.button === 1) event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      const pans = event.button === 1 || event.shiftKey || this.options.drag === "pan";
      this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, pans });
    });
    canvas.addEventListener("pointermove", (event) => {
      this.#read(event, canvas);
      this.#drag(event, canvas);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, ({ pointerId }) => this.#pointers.delete(pointerId));
    }
    canvas.addEventListener("pointerleave", () => {
      at("readout").textContent = "";
    });
  }

  #drag(event, canvas) {
    const pointer = this.#pointers.get(event.pointerId);
    if (!pointer) return;
    const before = this.#spread();
    const [right, down] = [event.clientX - pointer.x, event.clientY - pointer.y];
    [pointer.x, pointer.y] = [event.clientX, event.clientY];
    const share = this.#pointers.size;
    if (share > 1 || pointer.pans) this.pan(-right / canvas.clientWidth / share, -down / canvas.clientHeight / share);
    if (share > 1) this.#zoomTo((this.#view.zoom * this.#spread()) / before, shareOf(event, canvas), canvas);
    else if (!pointer.pans) this.adjust(-down / DRAG, right / DRAG);
  }

  // How far two fingers are apart.
  #spread() {
    const [one, other] = this.#pointers.values();
    return other ? Math.max(Math.hypot(one.x - other.x, one.y - other.y), 1) : 1;
  }

  #read(event, canvas) {
    if (!this.#picture) return;
    const { left, top, width, height } = this.#place(canvas);
    const share = shareOf(event, canvas);
    const x = Math.floor(((share.x * canvas.width - left) / width) * this.#picture.width);
    const y = Math.floor(((share.y * canvas.height - top) / height) * this.#picture.height);
    const isInside = x >= 0 && y >= 0 && x < this.#picture.width && y < this.#picture.height;
    const [low, high] = this.#picture.range;
    at("readout").textContent = isInside ? `Value ${short(this.#picture.value(x, y), high - low)}` : "";
  }
}

function shareOf({ clientX, clientY }, canvas) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return { x: (clientX - left) / width, y: (clientY - top) / height };
}
