/** The keys, and the sheet of them. */

import { at, make } from "./dom.js";

const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Delete: "Del" };
// Where most keyboards have the same key without Shift.
const UNSHIFTED = { "=": "+", _: "-" };
const TYPED = "input:not([type=checkbox], [type=range]), textarea, select";

/**
 * Listen to keys, and write the sheet of them.
 * @param {{group: string, key: string, does: string, says: string, onPicture?: boolean}[]} keys
 *   `key` as browsers name it, an arrow with `Shift+` where that is held
 * @param {(does: string) => void} act
 */
export function listen(keys, act) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(TYPED)) return;
    if (at("sheet").open || (!at("keys-on").checked && event.key !== "?")) return;
    const pressed = nameOf(event);
    const isOnPicture = event.target.localName === "canvas";
    const found = keys.find(({ key, onPicture }) => key === pressed && (isOnPicture || !onPicture));
    if (!found) return;
    event.preventDefault();
    act(found.does);
  });
  const groups = new Map(keys.map(({ group }) => [group, []]));
  for (const key of keys) groups.get(key.group).push(make("dt", {}, make("kbd", {}, shown(key.key))), make("dd", {}, key.says));
  at("keys").append(
    ...[...groups].map(([group, entries]) => make("section", {}, make("h3", {}, group), make("dl", {}, ...entries))),
  );
}

/** Have each button name its key. */
export function label(keys) {
  for (const { does, key } of keys) {
    for (const button of document.querySelectorAll(`[data-does="${does}"]`)) {
      button.setAttribute("aria-keyshortcuts", key);
      button.title = `${button.getAttribute("aria-label") ?? button.textContent} (${shown(key)})`;
    }
  }
}

function nameOf({ key, shiftKey }) {
  if (key.length === 1) return UNSHIFTED[key] ?? key.toLowerCase();
  return shiftKey ? `Shift+${key}` : key;
}

function shown(key) {
  if (key.length === 1) return key.toUpperCase();
  return key.split("+").map((part) => NAMES[part] ?? part).join(" ");
}
