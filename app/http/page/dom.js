/** Elements, made of text and of nothing that is parsed. */

/** The element of an id. */
export const at = (id) => document.getElementById(id);

/**
 * A new element.
 * @param {string} tag its name, with classes after dots: `p.quiet`
 * @param {Object} attributes `on…` are listeners; true stands for an attribute without a value,
 *   false, null and undefined for none
 * @param {...(Node|string|null)} children null is left out
 */
export function make(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Have a toggle say whether it is on. */
export function press(does, on) {
  for (const button of document.querySelectorAll(`[data-does="${does}"]`)) {
    button.setAttribute("aria-pressed", String(on));
  }
}

/** Have a screen reader say something, when it comes to it. */
export function say(text) {
  at("live").textContent = text;
}
