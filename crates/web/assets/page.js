/**
 * The live page of a share: shows what the streams bring, and does what the reader wants.
 *
 * @module
 */

import { offerCopies } from "./copying.js";
import { byId, content, element, putContent, takeContent } from "./elements.js";
import { linked, reveal } from "./links.js";
import { Live } from "./live.js";
import { apply } from "./patches.js";
import { Reading } from "./reading.js";
import { Replay } from "./replay.js";

/** @typedef {{fetch(url: string, signal: AbortSignal): Promise<Response>}} Access How the share is reached. */

/** A session that something happened to so lately is followed from the beginning. */
const NEW_MS = 120_000;
const SPEEDS = [1, 2, 5, 10, 20, 50];
const button = (label, title, onclick) => element("button", { type: "button", title, onclick }, label);
const timeOf = (ms) => new Date(ms).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const STATUS = { connecting: "connecting…", live: "live", away: "away, trying again…", still: "earlier messages" };
const ENDED = "This session is not shared any more.";
const THEMES = ["auto", "light", "dark"];

/** What is kept for the next page; nothing where the browser lets nothing be kept. */
function kept() {
  try {
    return localStorage;
  } catch {
    return {};
  }
}

function themed(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** The page with its controls: what the reader does, and what the streams tell. */
class Page {
  #bar = byId("controls");
  #connection = element("span", { id: "connection", role: "status" });
  #viewers = element("span", { id: "viewers" });
  #follow = button("Follow", "stay at the end (f)", () => this.#reading.follow(!this.#reading.follows));
  #news = button("↓ New", "go to the end and stay there (f)", () => this.#reading.follow(true));
  #fold = button("Unfold", "unfold or fold all (u)", () => this.#foldAll());
  #toggle = button("Replay", "play the session again (r)", () => this.#toggleReplay());
  #play = button("Play", "play or pause (p)", () => (this.#replay.isPlaying ? this.#replay.pause() : this.#replay.play()));
  #slider = element("input", { type: "range", id: "slider", max: 0, "aria-label": "place in the session" });
  #time = element("span", { id: "time" });
  #speed = element("select", { id: "speed", "aria-label": "speed" });
  #player = element("div", { id: "player", hidden: true }, this.#play, this.#slider, this.#time, this.#speed);
  #help = element("dialog", { id: "help", "aria-label": "keys" });
  #reading = new Reading((follows, hasNews) => this.#showReading(follows, hasNews));
  /** The live page, and where it was read, while another one is shown. */
  #held = null;
  #wanted = linked();
  #keys = {
    j: ["next message", () => this.#move(1)],
    k: ["message before", () => this.#move(-1)],
    f: ["stay at the end, or not", () => this.#follow.click()],
    u: ["unfold or fold all", () => this.#fold.click()],
    r: ["replay, and back", () => this.#toggle.click()],
    p: ["play or pause the replay", () => this.#held && this.#play.click()],
    "?": ["these keys", () => this.#help.showModal()],
  };

  #live;
  #replay;

  /** @param {Access} access */
  constructor(access) {
    const { live, still, replay, history, cursor, lastAt } = document.body.dataset;
    const from = history && cursor ? `${history}:${cursor}` : null;
    this.#live = new Live(access, live ?? still, from, this);
    this.#live.isStill = !live;
    this.#replay = new Replay(access, replay, this);
    this.#build();
    this.#listen();
    const isNew = Date.now() - Number(lastAt) < NEW_MS;
    this.#reading.follow(Boolean(live) && isNew && !this.#wanted);
    this.#reveal();
    this.#follow.hidden = !live;
    this.#live.run();
    this.#toggle.hidden = !replay;
  }

  // Told by the live stream.

  status(name) {
    this.#connection.textContent = this.#held ? "replay" : this.#live.isStill && name === "live" ? STATUS.still : STATUS[name];
    this.#connection.dataset.state = name;
  }

  viewers(count) {
    this.#viewers.textContent = `${count} watching`;
  }

  news(patches, isReset) {
    if (isReset) this.#reading.keep();
    this.change(() => apply(patches));
    this.#reveal();
  }

  end(words) {
    this.#held = null;
    this.#replay.close();
    takeContent();
    this.#help.close();
    document.title = ENDED;
    byId("top").hidden = true;
    content.session.append(element("p", { id: "notice", role: "alert" }, ENDED, element("br"), element("small", {}, words)));
  }

  /** Goes where the address means, once, as soon as it is there. */
  #reveal() {
    if (this.#wanted && reveal(this.#wanted)) this.#wanted = "";
  }

  // Told by the replay.

  change(make) {
    this.#reading.during(make);
  }

  replay({ begin, place, isPlaying, isBusy, words }) {
    if (!this.#held) return;
    this.#play.textContent = isPlaying ? "Pause" : "Play";
    if (begin) Object.assign(this.#slider, { min: begin.cursor, max: begin.end_cursor, value: place.cursor });
    this.#player.setAttribute("aria-busy", isBusy && !isPlaying);
    this.#time.dataset.cursor = place?.cursor ?? "";
    this.#time.textContent = words ?? (place ? timeOf(place.at) : "");
    this.#slider.setAttribute("aria-valuetext", this.#time.textContent);
  }

  // Done by the reader.

  #toggleReplay() {
    if (this.#held) {
      this.#replay.close();
      putContent(this.#held.content);
      scrollTo(0, this.#held.top);
      this.#held = null;
      this.#live.isHeld = false;
      // What came meanwhile was left; the stream brings it from the cursor on.
      this.#live.again();
    } else {
      this.#live.isHeld = true;
      this.#held = { top: scrollY, content: takeContent() };
      this.#replay.play();
    }
    this.#player.hidden = !this.#held;
    this.#toggle.textContent = this.#held ? "Back" : "Replay";
    this.status(this.#connection.dataset.state);
  }

  #foldAll() {
    const open = this.#fold.textContent === "Unfold";
    for (const fold of document.querySelectorAll("main details, #changes details")) fold.open = open;
    this.#fold.textContent = open ? "Fold" : "Unfold";
  }

  /** Goes to the next message, or the one before. */
  #move(by) {
    this.#reading.follow(false);
    const messages = [...content.session.querySelectorAll(":scope > .message")];
    const at = messages.findIndex((message) => message.getBoundingClientRect().bottom > 1);
    const focused = messages.indexOf(document.activeElement);
    const next = messages[focused < 0 ? Math.max(at, 0) : focused + by];
    if (!next) return;
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
    reveal(next.id);
  }

  #showReading(follows, hasNews) {
    this.#follow.setAttribute("aria-pressed", follows);
    this.#news.hidden = !hasNews;
  }

  #build() {
    const theme = button("", "light or dark", () => {
      const next = THEMES[(THEMES.indexOf(theme.dataset.theme) + 1) % THEMES.length];
      kept().theme = next;
      show(next);
    });
    const show = (name) => {
      theme.dataset.theme = name;
      theme.textContent = `◐ ${name}`;
      themed(name);
    };
    show(THEMES.includes(kept().theme) ? kept().theme : "auto");
    this.#speed.append(...SPEEDS.map((speed) => new Option(`${speed}×`, speed, false, speed === this.#replay.speed)));
    const buttons = element("div", { id: "buttons" }, this.#news, this.#follow, this.#fold, this.#toggle, theme,
      button("?", "keys", () => this.#help.showModal()));
    this.#bar.append(element("div", { id: "state" }, this.#connection, this.#viewers), this.#player, buttons);
    this.#bar.hidden = false;
    const rows = Object.entries(this.#keys).flatMap(([key, [words]]) => [element("dt", {}, key), element("dd", {}, words)]);
    this.#help.append(element("dl", {}, ...rows), button("Close", "close", () => this.#help.close()));
    document.body.append(this.#help);
  }

  #listen() {
    this.#slider.oninput = () => this.#replay.seek(Number(this.#slider.value));
    this.#speed.onchange = () => (this.#replay.speed = Number(this.#speed.value));
    for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, offerCopies);
    addEventListener("hashchange", () => {
      this.#reading.follow(false);
      this.#wanted = linked();
      this.#reveal();
    });
    addEventListener("keydown", (event) => {
      const isTyping = event.target.closest?.("input, select, textarea, dialog");
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping || byId("top").hidden) return;
      this.#keys[event.key]?.[1]();
    });
  }
}

/** @param {Access} access */
export const start = (access) => new Page(access);

// A private page is started by who holds its token.
if (document.body.dataset.kind === "session" && document.body.dataset.access !== "token") {
  start({ fetch: (url, signal) => fetch(url, { signal, cache: "no-store" }) });
}
