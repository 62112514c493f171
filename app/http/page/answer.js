/** The answer to an image, at a glance and in full. */

import { at, make } from "./dom.js";
import { excluded, passes, percent, problem, reason } from "./words.js";

/**
 * Show what is known of an image.
 * @param {Object} image of `images.js`
 * @param {Node} evidence the controls of the map, which are shown with an answer
 * @param {(image: Object) => void} retry
 */
export function show(image, evidence, retry) {
  const title = make("h2.name", { title: image.name }, image.name);
  if (image.problem) at("answer").replaceChildren(title, ...refusal(image, retry));
  else if (image.answer) at("answer").replaceChildren(title, ...full(image, evidence));
  else at("answer").replaceChildren(title, make("p.quiet.state", {}, `${image.words} …`));
}

/** Label, probability on its scale, prediction set, and whether a person should read on. */
export function glance(answer) {
  return [
    make(
      "p.verdict",
      { "data-label": answer.label },
      make("strong", {}, answer.label),
      make("span", {}, percent(answer.probability)),
    ),
    make("p.quiet", {}, "Calibrated probability of pneumonia"),
    scale(answer),
    make("p.set", {}, "Prediction set ", ...answer.prediction_set.map((name) => make("b", {}, name)),
      make("span.quiet", {}, excluded(answer.prediction_set))),
    review(answer),
  ];
}

/** Who answered, and what was read, as terms and their values. */
export function facts({ model, input }) {
  return make(
    "dl",
    {},
    ...Object.entries({
      Model: `${model.name}, version ${model.version}`,
      Engine: `${model.engine} on ${model.device}`,
      Image: `${input.format}, ${input.width} × ${input.height} pixels`,
      "SHA-256": input.sha256,
    }).flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]),
  );
}

/** The share of the evidence in the lungs, in a sentence. */
export function evidenceSentence(label, share, found) {
  if (share === undefined) return "Asking where the evidence lies …";
  if (!found) return "No lungs were found in which evidence could lie.";
  if (share === null) return `Nothing argues for ${label}.`;
  return `${percent(share)} of what argues for ${label} lies in the lungs.`;
}

function full({ answer }, evidence) {
  return [
    ...glance(answer),
    evidence,
    make("section", {}, make("h3", {}, "Who answered"), facts(answer)),
    make("section", {}, make("h3", {}, "Take along"), saving(answer.input.format === "DICOM")),
  ];
}

function saving(isDicom) {
  const button = (does, text) => make("button", { type: "button", "data-does": does }, text);
  return make(
    "div.buttons",
    {},
    button("print", "Print a report"),
    button("save-json", "Answer, JSON"),
    button("save-png", "Overlay, PNG"),
    isDicom ? button("save-report", "Report, DICOM SR") : null,
    isDicom ? button("save-overlay", "Overlay, DICOM") : null,
    make("p.quiet", { id: "saved", role: "status" }),
  );
}

function refusal(image, retry) {
  const { code, detail } = image.problem;
  const again = () => retry(image);
  return [
    make("p.verdict", { "data-label": "NONE" }, make("strong", {}, "No answer")),
    make("p.problem", {}, problem(code)),
    detail ? make("p.quiet", {}, "The service says: ", make("q", {}, detail)) : null,
    make("p.quiet", {}, "Code ", make("code", {}, code)),
    passes(code) ? make("button.main", { type: "button", onclick: again }, "Try again") : null,
  ].filter(Boolean);
}

function scale({ probability, threshold, label }) {
  const marker = make("i.marker");
  const tick = make("i.tick");
  const under = make("span.threshold", {}, `Threshold ${percent(threshold)}`);
  const above = make("i.above");
  // Set by script, which the page's policy allows, and not in the markup, which it does not.
  const put = (element, share, margin) => {
    element.style.left = `${100 * Math.min(Math.max(share, margin), 1 - margin)}%`;
  };
  put(marker, probability, 0.012);
  put(tick, threshold, 0);
  put(above, threshold, 0);
  put(under, threshold, 0.3);
  return make(
    "div.scale",
    {
      role: "meter",
      "aria-label": "Probability of pneumonia",
      "aria-valuemin": 0,
      "aria-valuemax": 1,
      "aria-valuenow": probability.toFixed(4),
      "aria-valuetext": `${percent(probability)}, threshold ${percent(threshold)}`,
      "data-label": label,
    },
    make("span.track", {}, above, tick, marker),
    make("span.ends", {}, make("span", {}, "0"), under, make("span", {}, "100 %")),
  );
}

function review(answer) {
  const codes = [...new Set([...answer.reasons, ...answer.warnings])];
  const items = codes.map((code) => make("li", {}, reason(code),
    answer.warnings.includes(code) ? make("span.tag", {}, "warning") : null));
  if (!answer.review) {
    return make("div.review", {}, make("p", {}, "No reason for a person’s review was found, which is no diagnosis."),
      items.length ? make("ul", {}, ...items) : null);
  }
  return make("div.review.needed", {}, make("p", {}, make("strong", {}, "A person should read this image.")),
    make("ul", {}, ...items));
}
