/** The page: what its buttons, its keys and what is dropped on it do. */

import { evidenceInLungs, Problem, useToken } from "./api.js";
import { evidenceSentence, show } from "./answer.js";
import { at, make, press } from "./dom.js";
import { Images } from "./images.js";
import * as keys from "./keys.js";
import { evidence } from "./layers.js";
import { layOut, save } from "./report.js";
import { NUDGE, Viewer } from "./viewer.js";
import { problem } from "./words.js";

const images = new Images();
const viewer = new Viewer();
const opacity = make("input", { type: "range", id: "opacity", min: 0, max: 100, value: 55 });
const sentence = make("p", { role: "status" });
/** The label whose evidence is shown. */
let label = "PNEUMONIA";

const ACTIONS = {
  choose: () => at("files").click(),
  clear: () => images.clear(),
  remove: () => images.chosen && images.remove(images.chosen),
  next: () => images.step(1),
  previous: () => images.step(-1),
  in: () => viewer.zoom(1),
  out: () => viewer.zoom(-1),
  fit: () => viewer.fit(),
  left: () => viewer.pan(-NUDGE, 0),
  right: () => viewer.pan(NUDGE, 0),
  up: () => viewer.pan(0, -NUDGE),
  down: () => viewer.pan(0, NUDGE),
  brighter: () => viewer.adjust(0.05, 0),
  darker: () => viewer.adjust(-0.05, 0),
  narrower: () => viewer.adjust(0, -0.1),
  wider: () => viewer.adjust(0, 0.1),
  invert: () => toggle("inverted"),
  beside: () => toggle("beside"),
  map: () => toggle("map"),
  lungs: () => toggle("lungs"),
  "drag-window": () => set("drag", "window"),
  "drag-pan": () => set("drag", "pan"),
  drag: () => set("drag", viewer.options.drag === "pan" ? "window" : "pan"),
  fainter: () => setOpacity(Number(opacity.value) - 10),
  stronger: () => setOpacity(Number(opacity.value) + 10),
  "for-pneumonia": () => aim("PNEUMONIA"),
  "for-normal": () => aim("NORMAL"),
  target: () => aim(label === "NORMAL" ? "PNEUMONIA" : "NORMAL"),
  print: () => images.chosen?.answer && window.print(),
  theme: changeTheme,
  sheet: () => at("sheet").showModal(),
  answer: () => at("answer").focus(),
};

const KEYS = [
  { group: "Images", key: "o", does: "choose", says: "choose files" },
  { group: "Images", key: "j", does: "next", says: "next image" },
  { group: "Images", key: "k", does: "previous", says: "image before" },
  { group: "Images", key: "Delete", does: "remove", says: "forget the image" },
  { group: "Images", key: "a", does: "answer", says: "go to the answer" },
  { group: "View", key: "f", does: "fit", says: "whole image" },
  { group: "View", key: "+", does: "in", says: "zoom in" },
  { group: "View", key: "-", does: "out", says: "zoom out" },
  { group: "View", key: "d", does: "drag", says: "drag sets the window, or pans" },
  { group: "View", key: "s", does: "beside", says: "side by side" },
  { group: "View", key: "ArrowLeft", does: "left", says: "pan left, on the picture", onPicture: true },
  { group: "View", key: "ArrowRight", does: "right", says: "pan right", onPicture: true },
  { group: "View", key: "ArrowUp", does: "up", says: "pan up", onPicture: true },
  { group: "View", key: "ArrowDown", does: "down", says: "pan down", onPicture: true },
  { group: "Window", key: "1", does: "preset-sent", says: "as sent" },
  { group: "Window", key: "2", does: "preset-full", says: "the full range" },
  { group: "Window", key: "3", does: "preset-lungs", says: "the lungs" },
  { group: "Window", key: "4", does: "preset-mediastinum", says: "the mediastinum" },
  { group: "Window", key: "i", does: "invert", says: "invert" },
  { group: "Window", key: "Shift+ArrowUp", does: "brighter", says: "brighter, on the picture", onPicture: true },
  { group: "Window", key: "Shift+ArrowDown", does: "darker", says: "darker", onPicture: true },
  { group: "Window", key: "Shift+ArrowLeft", does: "narrower", says: "more contrast", onPicture: true },
  { group: "Window", key: "Shift+ArrowRight", does: "wider", says: "less contrast", onPicture: true },
  { group: "Evidence", key: "m", does: "map", says: "map" },
  { group: "Evidence", key: "t", does: "target", says: "for PNEUMONIA, or for NORMAL" },
  { group: "Evidence", key: ",", does: "fainter", says: "fainter map" },
  { group: "Evidence", key: ".", does: "stronger", says: "stronger map" },
  { group: "Evidence", key: "l", does: "lungs", says: "outline of the lungs" },
  { group: "Out", key: "p", does: "print", says: "print a report" },
  { group: "Out", key: "e", does: "save-json", says: "save the answer, JSON" },
  { group: "Out", key: "g", does: "save-png", says: "save the overlay, PNG" },
  { group: "Out", key: "r", does: "save-report", says: "save the report, DICOM" },
  { group: "Out", key: "v", does: "save-overlay", says: "save the overlay, DICOM" },
  { group: "Page", key: "c", does: "theme", says: "light or dark" },
  { group: "Page", key: "?", does: "sheet", says: "this sheet" },
];

function act(does) {
  if (does.startsWith("preset-")) viewer.preset(does.slice("preset-".length));
  else if (does.startsWith("save-")) keep(does);
  else ACTIONS[does]();
}

function set(option, value) {
  viewer.options[option] = value;
  viewer.refresh();
}

function toggle(option) {
  set(option, !viewer.options[option]);
}

function setOpacity(percentage) {
  opacity.value = percentage;
  set("opacity", Number(opacity.value) / 100);
}

/** Show the evidence for a label, and ask how much of it lies in the lungs. */
async function aim(wanted) {
  const image = images.chosen;
  if (!image?.answer) return;
  label = wanted;
  layMap(image);
  if (label in image.shares) return;
  try {
    image.shares[wanted] = await evidenceInLungs(image.file, wanted.toLowerCase());
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    sentence.textContent = problem(error.code);
    return;
  }
  if (image === images.chosen) layMap(image);
}

function layMap(image) {
  const { maps, lungs } = image.answer;
  viewer.layers = { map: evidence(maps.cam, label), curves: maps.outline };
  press("for-pneumonia", label === "PNEUMONIA");
  press("for-normal", label === "NORMAL");
  sentence.textContent = evidenceSentence(label, image.shares[label], lungs.found);
  viewer.refresh();
}

/** The answer's layers, on a picture that may come before it or after it. */
function lay(image) {
  if (!image.answer || !viewer.picture) return;
  const { maps, lungs, overlay } = image.answer;
  if (lungs.box && !viewer.picture.windows.lungs) viewer.picture.addLungWindows(maps, lungs.box);
  label = overlay.target;
  layMap(image);
}

const controls = (() => {
  const button = (does, text) => make("button", { type: "button", "data-does": does, "aria-pressed": "false" }, text);
  opacity.addEventListener("input", () => setOpacity(opacity.value));
  return make(
    "section.evidence",
    {},
    make("h3", {}, "Where it looked"),
    make("div.group", { role: "group", "aria-label": "Evidence" },
      button("for-pneumonia", "For PNEUMONIA"), button("for-normal", "For NORMAL")),
    make("div.bar", {}, button("map", "Map"), make("label", {}, "Opacity ", opacity), button("lungs", "Lungs")),
    make("p.legend.quiet", { "aria-hidden": "true" }, "little", make("i"), "much"),
    sentence,
  );
})();

async function onSelect() {
  const image = images.chosen;
  at("drop").hidden = Boolean(image);
  for (const id of ["images", "viewer", "answer"]) at(id).hidden = !image;
  if (!image) return;
  viewer.show(null, image.name, "Loading the picture …");
  onChange();
  try {
    const picture = await images.picture(image);
    if (image !== images.chosen) return;
    viewer.show(picture, image.name);
    lay(image);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (image === images.chosen) viewer.show(null, image.name, "There is no picture to show.");
  }
}

function onChange() {
  const image = images.chosen;
  if (image.problem?.code === "unauthorized") at("token-field").hidden = false;
  show(image, controls, () => images.retry(image));
  lay(image);
  // The answer's buttons are new.
  keys.label(KEYS);
}

async function keep(does) {
  const image = images.chosen;
  if (!image?.answer || !document.querySelector(`[data-does="${does}"]`)) return;
  try {
    at("saved").textContent = "Preparing …";
    await save(does, image, label);
    at("saved").textContent = "Saved to this computer.";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    at("saved").textContent = problem(error.code);
  }
}

function changeTheme() {
  const { theme } = document.documentElement.dataset;
  const isLight = theme ? theme === "light" : matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = isLight ? "dark" : "light";
}

function listen() {
  images.addEventListener("select", onSelect);
  images.addEventListener("change", onChange);
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-does]");
    if (button) act(button.dataset.does);
  });
  at("files").addEventListener("change", ({ target }) => {
    images.add(target.files);
    target.value = "";
  });
  document.addEventListener("paste", ({ clipboardData }) => images.add(clipboardData.files));
  const hasFiles = ({ dataTransfer }) => dataTransfer.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    at("dropping").hidden = false;
  });
  at("token").addEventListener("input", ({ target }) => useToken(target.value));
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) at("dropping").hidden = true;
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    at("dropping").hidden = true;
    images.add(event.dataTransfer.files);
  });
  window.addEventListener("beforeprint", () => {
    if (images.chosen?.answer) layOut(images.chosen, viewer, label);
    else at("report").replaceChildren();
  });
}

listen();
keys.listen(KEYS, act);
keys.label(KEYS);
