/** The images that were dropped: a list of them, and a queue that has a few at a time read. */

import { explain, picture, Problem } from "./api.js";
import { at, make, say } from "./dom.js";
import { Picture } from "./picture.js";
import { percent, problem } from "./words.js";

const AT_ONCE = 2;
const SIDE = 2048;
const THUMBNAIL_SIDE = 160;
// Of 8 MB each.
const MOST_PICTURES = 4;

/** One file, and what became of it. */
class Dropped {
  constructor(file) {
    this.file = file;
    this.name = file.name || "Pasted picture";
    /** `waiting`, `sending`, `reading`, `read` or `refused`. */
    this.state = "waiting";
    this.sent = 0;
    this.answer = null;
    /** Of the evidence for each label, the share in the lungs; as far as it was asked for. */
    this.shares = {};
    this.problem = null;
    this.stopping = new AbortController();
  }

  /** Where it is, in a few words. */
  get words() {
    if (this.state === "sending") return `Sending, ${Math.round(100 * this.sent)} %`;
    if (this.state === "read") return `${this.answer.label}, ${percent(this.answer.probability)}`;
    return { waiting: "Waiting", reading: "Reading", refused: "No answer" }[this.state];
  }
}

/** Tells `select` when another image is the chosen one, and `change` when the chosen one changes. */
export class Images extends EventTarget {
  #images = [];
  #pictures = new Map();
  #atWork = 0;
  chosen = null;

  get count() {
    return this.#images.length;
  }

  /** Take files in, and choose the first of them. */
  add(files) {
    const added = [...files].map((file) => new Dropped(file));
    if (!added.length) return;
    for (const image of added) at("list").append(this.#element(image));
    this.#images.push(...added);
    this.choose(added[0]);
    this.#goOn();
  }

  /** Choose an image, or none. */
  choose(image) {
    this.chosen = image;
    for (const other of this.#images) this.#update(other);
    image?.element.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#summarise();
    this.dispatchEvent(new Event("select"));
  }

  /** Choose the image that is so many places further in the list. */
  step(by) {
    const index = this.#images.indexOf(this.chosen) + by;
    if (this.#images[index]) this.choose(this.#images[index]);
  }

  /** Forget an image. */
  remove(image) {
    const index = this.#images.indexOf(image);
    if (index < 0) return;
    image.stopping.abort();
    this.#pictures.delete(image);
    this.#images.splice(index, 1);
    image.element.remove();
    const next = this.#images[Math.min(index, this.count - 1)] ?? null;
    this.choose(this.chosen === image ? next : this.chosen);
    this.chosen?.element.firstChild.focus();
  }

  /** Forget all. */
  clear() {
    for (const image of this.#images) image.stopping.abort();
    this.#images = [];
    this.#pictures.clear();
    at("list").replaceChildren();
    this.choose(null);
  }

  /** Have an image read once more. */
  retry(image) {
    Object.assign(image, { state: "waiting", problem: null, stopping: new AbortController() });
    this.choose(image);
    this.#goOn();
  }

  /**
   * An image's picture; the last few are kept.
   * @throws {Problem}
   */
  async picture(image) {
    let found = this.#pictures.get(image);
    if (!found) {
      const { signal } = image.stopping;
      found = picture(image.file, SIDE, { signal }).then((answer) => new Picture(answer));
      found.catch(() => this.#pictures.delete(image));
    }
    // In the order in which they were last looked at.
    this.#pictures.delete(image);
    this.#pictures.set(image, found);
    if (this.#pictures.size > MOST_PICTURES) this.#pictures.delete(this.#pictures.keys().next().value);
    return found;
  }

  #goOn() {
    while (this.#atWork < AT_ONCE) {
      const next = this.#images.find(({ state }) => state === "waiting");
      if (!next) return;
      this.#atWork += 1;
      this.#read(next).finally(() => {
        this.#atWork -= 1;
        this.#goOn();
      });
    }
  }

  async #read(image) {
    const { signal } = image.stopping;
    image.state = "sending";
    this.#change(image);
    const progress = (share) => {
      Object.assign(image, { sent: share, state: share < 1 ? "sending" : "reading" });
      this.#change(image);
    };
    try {
      [image.answer] = await Promise.all([
        explain(image.file, { signal, progress }),
        this.#drawThumbnail(image),
      ]);
      // The page draws its own.
      delete image.answer.overlay.data;
      image.shares[image.answer.overlay.target] = image.answer.evidence_in_lungs;
      image.state = "read";
      say(`${image.name}: ${image.words}.${image.answer.review ? " A person should read this image." : ""}`);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      Object.assign(image, { problem: error, state: "refused" });
      say(`${image.name}: ${problem(error.code)}`);
    }
    this.#change(image);
  }

  async #drawThumbnail(image) {
    try {
      const { signal } = image.stopping;
      const small = new Picture(await picture(image.file, THUMBNAIL_SIDE, { signal }));
      small.through(small.windows.sent);
      const thumbnail = image.element.querySelector("canvas");
      [thumbnail.width, thumbnail.height] = [small.width, small.height];
      thumbnail.getContext("2d").drawImage(small.canvas, 0, 0);
    } catch (error) {
      // Why there is none, the answer says.
      if (!(error instanceof Problem)) throw error;
    }
  }

  #element(image) {
    const progress = make("progress", { max: 1, "aria-label": `Sending ${image.name}` });
    image.element = make(
      "li",
      {},
      make(
        "button.image",
        { type: "button", title: image.name, onclick: () => this.choose(image) },
        make("canvas", { width: 1, height: 1, "aria-hidden": "true" }),
        make("span.name", {}, image.name),
        make("span.state"),
        progress,
      ),
      make("button.remove", {
        type: "button",
        "aria-label": `Remove ${image.name}`,
        onclick: () => this.remove(image),
      }, "✕"),
    );
    return image.element;
  }

  #update(image) {
    const { element, state, answer } = image;
    element.dataset.state = state;
    element.dataset.label = answer?.label ?? "";
    element.dataset.review = Boolean(answer?.review);
    element.querySelector(".state").textContent = image.words;
    const progress = element.querySelector("progress");
    progress.hidden = state !== "sending" && state !== "reading";
    if (state === "sending") progress.value = image.sent;
    else progress.removeAttribute("value");
    const button = element.querySelector(".image");
    if (image === this.chosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }

  #change(image) {
    this.#update(image);
    this.#summarise();
    if (image === this.chosen) this.dispatchEvent(new Event("change"));
  }

  #summarise() {
    const review = this.#images.filter(({ answer }) => answer?.review).length;
    const left = this.#images.filter(({ state }) => state !== "read" && state !== "refused").length;
    const parts = [`${this.count} ${this.count === 1 ? "image" : "images"}`];
    if (left) parts.push(`${left} to go`);
    if (review) parts.push(`${review} for a person to read`);
    at("summary").textContent = parts.join(", ");
  }
}
