/** What is taken along: files, and a page of paper. */

import { post } from "./api.js";
import { evidenceSentence, facts, glance } from "./answer.js";
import { at, make } from "./dom.js";

const PRINTED_SIDE = 1000;
const FILES = {
  "save-png": ["explain", "image/png", "overlay.png"],
  "save-report": ["predict", "application/dicom", "report.dcm"],
  "save-overlay": ["explain", "application/dicom", "overlay.dcm"],
};

/**
 * Save what a button offers.
 * @param {string} does `save-json`, `save-png`, `save-report` or `save-overlay`
 * @param {Object} image that has an answer
 * @param {"PNEUMONIA"|"NORMAL"} label that the overlay shows the evidence for
 * @throws {Problem} the service does not give it
 */
export async function save(does, image, label) {
  if (does === "save-json") {
    const { overlay, maps, ...answer } = image.answer;
    download(new Blob([`${JSON.stringify(answer, null, 2)}\n`], { type: "application/json" }), image, "answer.json");
    return;
  }
  const [path, accept, ending] = FILES[does];
  const query = path === "explain" ? `?target=${label.toLowerCase()}` : "";
  const { body } = await post(`${path}${query}`, image.file, { accept });
  download(new Blob([body], { type: accept }), image, ending);
}

/** Lay out the report of an image, as the viewer shows it now. */
export function layOut(image, viewer, label) {
  const { answer } = image;
  const pictures = viewer.picture
    ? [[`The image. ${viewer.seen}`, false], [`With what argues for ${label}`, true]].map(([caption, layers]) =>
        make("figure", {}, viewer.drawn(PRINTED_SIDE, layers), make("figcaption", {}, caption)))
    : [];
  at("report").replaceChildren(
    make("header", {}, make("h1", {}, "pneumoscope"), make("p", {}, make("strong", {}, "For research use only."),
      " Not a medical device: no diagnosis may rest on it.")),
    make("h2", {}, image.name),
    make("p.quiet", {}, `Printed ${new Date().toLocaleString()}`),
    make("div.pictures", {}, ...pictures),
    make("div.columns", {}, make("div", {}, ...glance(answer)),
      make("div", {}, make("p", {}, evidenceSentence(label, image.shares[label], answer.lungs.found)), facts(answer))),
  );
}

function download(blob, { name }, ending) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: `${name.replace(/\.[^.]*$/, "")}.${ending}` }).click();
  // When the browser has begun to read it.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
