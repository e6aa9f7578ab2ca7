/**
 * The session, played again from its op log.
 *
 * @module
 */

import { apply } from "./patches.js";
import { Refused, frame, lines, opened } from "./streams.js";

/** @typedef {{at: number, cursor: number, patches: object[], undo?: () => void}} Step What one or a few ops change. */

/** A pause of the session is played as one of this length at most. */
const PAUSE_MS_MAX = 1_500;
/** Steps that are held to go back by; further back the replay begins anew. */
const STEPS_MAX = 20_000;
/** How long patches are applied before the page is painted again. */
const SLICE_MS = 12;

/** Plays the session from its op log. Steps that were played are held, so that it can go back. */
export class Replay {
  speed = 10;
  isPlaying = false;
  /** @type {Step[]} The first `#next` are on the page. */
  #steps = [];
  #next = 0;
  /** What the page showed before the first step that is held. */
  #base = null;
  #begin = null;
  #source = null;
  #reading = null;
  #connection = new AbortController();
  #isBusy = false;
  /** Counts up with each command, so that an earlier one sees that it is over. */
  #turn = 0;

  /** @param {import("./page.js").Access} access @param {string} url @param page who is told */
  constructor(access, url, page) {
    Object.assign(this, { access, url, page });
  }

  /** Where the page is: cursor and time of the last op that it shows. */
  get place() {
    return this.#next ? this.#steps[this.#next - 1] : this.#base;
  }

  play() {
    this.isPlaying = true;
    this.#command(async (isCurrent) => {
      await this.#ready(isCurrent);
      if (this.#isAtEnd) await this.#seek(this.#begin.cursor, isCurrent);
      await this.#play(isCurrent);
    });
  }

  pause() {
    this.#turn += 1;
    [this.isPlaying, this.#isBusy] = [false, false];
    this.#tell();
  }

  /** Goes to the last step that is not beyond `cursor`, and goes on playing if it played. */
  seek(cursor) {
    this.#command(async (isCurrent) => {
      await this.#ready(isCurrent);
      await this.#seek(cursor, isCurrent);
      if (this.isPlaying) await this.#play(isCurrent);
    });
  }

  close() {
    this.#turn += 1;
    this.#connection.abort();
    [this.#source, this.#begin, this.#base] = [null, null, null];
    [this.#steps, this.#next] = [[], 0];
  }

  async #command(action) {
    const turn = (this.#turn += 1);
    this.#isBusy = true;
    const isCurrent = () => turn === this.#turn;
    try {
      await action(isCurrent);
      if (!isCurrent()) return;
      [this.isPlaying, this.#isBusy] = [false, false];
      this.#tell();
    } catch (error) {
      if (!isCurrent()) return;
      [this.isPlaying, this.#isBusy] = [false, false];
      this.#source = null;
      this.#tell(error instanceof Refused && !error.isFinal ? "too many replays, try again later" : "the replay broke off");
    }
  }

  get #isAtEnd() {
    return this.#source.isDone && this.#next === this.#steps.length;
  }

  /** Has a stream; after one that broke off, from where the page is. */
  async #ready(isCurrent) {
    if (this.#source) return;
    const cursor = this.place?.cursor;
    await this.#restart();
    if (cursor) await this.#seek(cursor, isCurrent);
  }

  /** Shows the session's beginning, from a new stream. */
  async #restart() {
    this.#connection.abort();
    const { signal } = (this.#connection = new AbortController());
    const source = lines(await opened(this.access, this.url, signal), () => {});
    const { begin, patches } = JSON.parse((await source.next()).value);
    signal.throwIfAborted();
    this.page.change(() => apply([{ clear: true }, ...patches]));
    [this.#source, this.#begin, this.#base] = [source, begin, { at: begin.at, cursor: begin.cursor }];
    [this.#steps, this.#next, this.#reading] = [[], 0, null];
    this.#tell();
  }

  /** The step that comes next, as soon as it is here; `undefined` at the end. */
  async #peek() {
    while (this.#next === this.#steps.length && this.#source && !this.#source.isDone) {
      // A command that was given up may still read; what it reads is kept, in order.
      this.#reading ??= this.#read(this.#source);
      await this.#reading;
    }
    return this.#steps[this.#next];
  }

  async #read(source) {
    const { value, done } = await source.next();
    if (source !== this.#source) return;
    this.#reading = null;
    if (done) source.isDone = true;
    else if (value) this.#steps.push(JSON.parse(value));
    this.#drop();
  }

  /** Forgets the oldest steps. */
  #drop() {
    if (this.#steps.length <= STEPS_MAX) return;
    const count = Math.min(this.#next, STEPS_MAX / 4);
    if (count === 0) return;
    const { at, cursor } = this.#steps[count - 1];
    this.#base = { at, cursor };
    this.#steps.splice(0, count);
    this.#next -= count;
  }

  #forward() {
    const step = this.#steps[this.#next];
    this.page.change(() => (step.undo = apply(step.patches)));
    this.#next += 1;
  }

  #back() {
    this.#next -= 1;
    this.page.change(() => this.#steps[this.#next].undo());
  }

  async #play(isCurrent) {
    let due = performance.now();
    for (let step = await this.#peek(); step && isCurrent(); step = await this.#peek()) {
      const lull = Math.min(Math.max(step.at - this.place.at, 0), PAUSE_MS_MAX) / this.speed;
      due = Math.max(due + lull, performance.now() - SLICE_MS);
      while (performance.now() < due && isCurrent()) await frame();
      if (!isCurrent()) return;
      this.#forward();
      if (performance.now() - due > SLICE_MS / 2) await frame();
      this.#tell();
    }
  }

  async #seek(cursor, isCurrent) {
    if (this.#base.cursor > Math.max(cursor, this.#begin.cursor)) await this.#restart();
    let since = performance.now();
    const slice = async () => {
      if (performance.now() - since < SLICE_MS) return;
      this.#tell();
      await frame();
      since = performance.now();
    };
    while (this.#next && this.place.cursor > cursor && isCurrent()) {
      this.#back();
      await slice();
    }
    while (isCurrent()) {
      const step = await this.#peek();
      if (!step || step.cursor > cursor || !isCurrent()) return;
      this.#forward();
      await slice();
    }
  }

  #tell(words) {
    this.page.replay({ begin: this.#begin, place: this.place, isPlaying: this.isPlaying, isBusy: this.#isBusy, words });
  }
}
