/**
 * Links to a message or a part of one.
 *
 * @module
 */

import { byId } from "./elements.js";

/** The id that the address means. A private page has its ref there. */
export const linked = () => (/^#[mpd]-/.test(location.hash) ? location.hash.slice(1) : "");

/** Brings what a link means into view, with all around it unfolded; whether it is there. */
export function reveal(id) {
  const target = id && byId(id);
  if (!target) return false;
  for (let fold = target.querySelector(":scope > details") ?? target; fold; fold = fold.parentElement) {
    if (fold.matches("details")) fold.open = true;
  }
  target.scrollIntoView({ block: "start", behavior: "instant" });
  // What comes into view gets its real height only then.
  requestAnimationFrame(() => target.scrollIntoView({ block: "start", behavior: "instant" }));
  return true;
}
