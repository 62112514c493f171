/** The codes of the service, in words. */

const PROBLEMS = {
  busy: "The service has as much to do as it can hold. Try again in a moment.",
  empty_file: "The file is empty.",
  headers_too_large: "The request’s header fields are too large.",
  incomplete_dicom: "The image lacks an identifier that a DICOM result has to refer to.",
  internal_error: "The service failed. Its log says why.",
  invalid_parameter: "The service does not know what was asked of it.",
  malformed_form: "The request is malformed.",
  malformed_request: "The request is malformed.",
  method_not_allowed: "The service cannot be asked in this way.",
  no_file: "No file came with the request.",
  not_a_chest_xray: "No lungs were found, so there is no answer. Send a frontal chest X-ray, upright and whole.",
  not_acceptable: "The service has no answer of this kind for this image.",
  not_found: "There is no such address on this server.",
  not_ready: "The service is still starting. Try again in a moment.",
  not_recorded: "The service cannot record its answers, and so gives none.",
  several_files: "Several files came where one was expected.",
  short_of_resources: "The service is short of memory. Try again in a moment.",
  stopping: "The service is being stopped.",
  too_large: "The file is larger than the service takes.",
  too_many_files: "These are more files than the service takes at once.",
  too_many_requests: "The token is not good for so many requests. Try again in a moment.",
  too_slow: "The file took too long to arrive.",
  unauthorized: "The service needs a token that it knows. Enter it at the top of the page, and try again.",
  unreachable: "The service did not answer, or the file could not be read from this computer. Is it a folder?",
  unreadable_image: "The image cannot be read.",
  unsupported_content_encoding: "The request is compressed, which the service does not take.",
  unsupported_content_type: "The request is of a type that the service does not take.",
  unsupported_format: "This is no image of a type that is read: DICOM, JPEG, PNG, WebP, TIFF or BMP.",
  uri_too_long: "The address is too long.",
};

const REASONS = {
  both_labels_possible: "Neither NORMAL nor PNEUMONIA can be excluded.",
  burned_in_annotation: "The image says that text is burned into it, a patient’s name perhaps.",
  contradicting_polarity: "The image’s attributes contradict each other on what is black and what is white.",
  lateral_view: "The image’s attributes call it a lateral view. The model reads frontal ones.",
  low_resolution: "A side of the image has fewer than 224 pixels.",
  lungs_cut_off: "A lung goes on beyond the image’s edge.",
  no_lungs_found: "No lungs were found.",
  not_a_chest: "The image’s attributes name another part of the body than the chest.",
  not_like_a_chest_xray: "The image is unlike those that the model learnt from.",
  only_the_first_frame_was_read: "The file has several pictures. Only the first was read.",
};

// Sending the same file again may help.
const PASSING = new Set(["busy", "internal_error", "not_ready", "not_recorded", "short_of_resources", "stopping", "too_many_requests", "too_slow", "unauthorized", "unreachable"]);

/** A problem's code as a sentence. */
export const problem = (code) => PROBLEMS[code] ?? "The service did not give an answer.";

/** Whether the same file may succeed later. */
export const passes = (code) => PASSING.has(code);

/** A reason's or a warning's code as a sentence. */
export const reason = (code) => REASONS[code] ?? code.replaceAll("_", " ");

/** A share as a percentage that never claims certainty. */
export function percent(share) {
  if (share > 0.999) return ">\u00a099.9\u00a0%";
  if (share < 0.001) return "<\u00a00.1\u00a0%";
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

/** What the prediction set leaves. */
export function excluded(set) {
  return set.length === 1
    ? `${set[0] === "NORMAL" ? "PNEUMONIA" : "NORMAL"} is excluded at the set’s confidence.`
    : "Neither label can be excluded.";
}
