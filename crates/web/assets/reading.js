/**
 * Where the reader is: at the end of the session, wherever that moves, or at a place that stays where it is.
 *
 * @module
 */

import { byId, content } from "./elements.js";
import { frame } from "./streams.js";

/** Pixels by which the end may be missed and still counts as seen. */
const END_PX = 48;
const HOLD_FRAMES = 8;

/** Keeps an element at a height for some frames: what comes near the view gets its real size only then. */
async function hold(element, top) {
  for (let count = 0; count < HOLD_FRAMES && element.isConnected; count += 1) {
    scrollBy({ top: element.getBoundingClientRect().top - top, behavior: "instant" });
    await frame();
  }
}

/** Sticks to the end of the session, or keeps what is being read where it is. */
export class Reading {
  /** Whether the page moves along with the end. */
  follows = false;
  #top = 0;
  /** What is put back after a reset, as soon as it is there. */
  #kept = null;
  #hasNews = false;

  /** @param {(follows: boolean, hasNews: boolean) => void} tell */
  constructor(tell) {
    this.tell = tell;
    new ResizeObserver(() => this.#grown()).observe(content.session);
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  follow(follows) {
    this.follows = follows;
    // The browser's own anchoring would hold on to what stands above the end.
    document.documentElement.classList.toggle("following", follows);
    if (follows) this.#toEnd();
    this.#told();
  }

  /** Pixels from the lower edge of what is seen to the end of the session. */
  get below() {
    const bar = byId("controls").offsetHeight;
    return content.session.getBoundingClientRect().bottom - (innerHeight - bar);
  }

  /** Remembers what is read and what is unfolded, before everything is replaced. */
  keep() {
    const parts = [...content.session.querySelectorAll(".part")];
    const seen = this.follows ? null : parts.find((part) => part.getBoundingClientRect().bottom > END_PX);
    const open = [...document.querySelectorAll("details[open]")];
    const unfolded = open.map((fold) => fold.closest("[id]")?.id).filter(Boolean);
    this.#kept = { id: seen?.id, top: seen?.getBoundingClientRect().top, unfolded: new Set(unfolded) };
  }

  /** Applies a change; without anchoring by the browser, what is read stays where it is. */
  during(change) {
    const anchor = !this.follows && !CSS.supports("overflow-anchor", "auto") ? this.#seen() : null;
    const top = anchor?.getBoundingClientRect().top;
    change();
    this.#hasNews = !this.follows;
    if (anchor?.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - top);
    if (this.#kept) this.#restore(this.#kept);
  }

  #seen() {
    return document.elementFromPoint(innerWidth / 2, 1)?.closest(".block, .part, .message");
  }

  #restore(kept) {
    for (const id of kept.unfolded) {
      const fold = byId(id)?.querySelector("details");
      if (!fold) continue;
      fold.open = true;
      kept.unfolded.delete(id);
    }
    const seen = kept.id && byId(kept.id);
    if (seen) {
      hold(seen, kept.top);
      kept.id = null;
    }
    if (!kept.id && !kept.unfolded.size) this.#kept = null;
  }

  #grown() {
    if (this.follows) this.#toEnd();
    this.#told();
  }

  #told() {
    this.#hasNews &&= this.below > END_PX;
    this.tell(this.follows, this.#hasNews);
  }

  #toEnd() {
    scrollBy({ top: this.below, behavior: "instant" });
    this.#top = scrollY;
  }

  #scrolled() {
    // What is cut off at the end moves the page up too, but leaves it at the end.
    if (this.follows && scrollY < this.#top && this.below > END_PX) this.follow(false);
    this.#top = scrollY;
    this.#told();
  }
}
