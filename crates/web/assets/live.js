/**
 * The stream of what happens to the share.
 *
 * @module
 */

import { Misfit } from "./patches.js";
import { Refused, events, opened, pause } from "./streams.js";

/** Nothing heard for this long, where the server speaks every 15 s: the connection is dead. */
const SILENCE_MS_MAX = 45_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 15_000;
/** A connection that lived so long was a good one. */
const GOOD_MS = 5_000;

/** Keeps the page at the share's newest state, over any number of connections. */
export class Live {
  /** `HISTORY:N`: what the page shows; `null`: nothing that can be gone on from. */
  cursor;
  /** While true the page shows something else, and what comes is left to be asked for again. */
  isHeld = false;
  /** The page has earlier messages, which nothing happens to but their end. */
  isStill = false;
  #failures = 0;
  #connection = new AbortController();
  #hurry = new AbortController();
  #ended = false;

  /** @param {import("./page.js").Access} access @param {string} url @param {?string} cursor @param page who is told */
  constructor(access, url, cursor, page) {
    Object.assign(this, { access, url, cursor, page });
  }

  async run() {
    while (!this.#ended) {
      const connection = (this.#connection = new AbortController());
      try {
        this.page.status("connecting");
        await this.#connected(connection);
      } catch (error) {
        if (error instanceof Misfit) this.cursor = null;
        if (error instanceof Refused && error.isFinal) this.end("");
      }
      connection.abort();
      if (!this.#ended && !this.#hurry.signal.aborted) await this.#backOff();
      this.#hurry = new AbortController();
    }
  }

  /** Connects again at once, from the cursor. */
  again() {
    this.#hurry.abort();
    this.#connection.abort();
  }

  end(words) {
    this.#ended = true;
    this.#connection.abort();
    this.page.end(words);
  }

  async #connected(connection) {
    let timer = 0;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => connection.abort(), SILENCE_MS_MAX);
    };
    heard();
    try {
      const from = this.cursor ? `?after=${encodeURIComponent(this.cursor)}` : "";
      const body = await opened(this.access, this.url + from, connection.signal);
      this.page.status("live");
      const began = performance.now();
      for await (const event of events(body, heard)) {
        if (connection.signal.aborted) return;
        this.#event(event);
        if (performance.now() - began > GOOD_MS) this.#failures = 0;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #event({ type, id, data }) {
    if (type === "end") this.end(data.words);
    else if (type === "viewers") this.page.viewers(data.count);
    else if ((type === "view" || type === "reset") && !this.isHeld) {
      if (!this.isStill) this.page.news(data.patches, type === "reset");
      if (id) this.cursor = id;
    }
  }

  async #backOff() {
    const most = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures++);
    this.page.status("away");
    await pause(RETRY_MS_MIN / 2 + Math.random() * most, this.#hurry.signal);
  }
}
