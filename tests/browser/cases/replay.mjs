// The time slider: the session, played from its log, comes to be what it is.

import { check, contentOf, same } from "../content.mjs";
import { grow, message, put, text } from "../session.mjs";
import { until } from "../waiting.mjs";
import { isLive } from "./live.mjs";

const RECORDINGS = new URL("../../recordings/", import.meta.url).pathname;

const slider = (page) => page.evaluate(() => {
  const { min, max, value } = document.querySelector("#slider");
  const play = document.querySelector("#player button").textContent;
  return { min: Number(min), max: Number(max), value: Number(value), play };
});

/** Moves the slider, and waits until the page is there. */
async function scrub(page, cursor) {
  await page.evaluate((cursor) => {
    const input = document.querySelector("#slider");
    input.value = cursor;
    input.dispatchEvent(new Event("input"));
  }, cursor);
  // A step may be several ops.
  const near = async () => {
    const { value, play } = await slider(page);
    return play === "Play" && value <= cursor && value > cursor - 20;
  };
  await until(near, `page at ${cursor}`);
  return contentOf(page);
}

async function began(stage) {
  const share = await (await stage.server()).share();
  await share.push(`${RECORDINGS}small.jsonl.gz`);
  const page = await stage.page();
  await page.goto(share.url);
  await isLive(page);
  const live = await contentOf(page);
  await page.keyboard.press("r");
  await until(async () => (await slider(page)).max > 1, "replay");
  return { share, page, live };
}

async function a_replay_ends_with_what_the_live_page_shows(stage) {
  const { page, live } = await began(stage);
  await page.selectOption("#speed", "50");
  await until(async () => (await slider(page)).value > 3, "first steps");
  check(JSON.stringify(await contentOf(page)) !== JSON.stringify(live), "the replay shows the end at once");
  const atEnd = async () => {
    const { value, max, play } = await slider(page);
    return value === max && play === "Play";
  };
  await until(atEnd, "end of the replay", 60_000);
  same(await contentOf(page), live, "the replay's end and the live page");
  return `${(await slider(page)).max} ops`;
}

async function the_slider_goes_back_and_forth(stage) {
  const { page, live } = await began(stage);
  await page.keyboard.press("p");
  const { min, max } = await slider(page);
  const places = [0.2, 0.5, 0.8].map((share) => Math.round(min + (max - min) * share));
  const first = [];
  for (const place of places) first.push(await scrub(page, place));
  check(new Set(first.map((one) => one.session)).size === places.length, "the session looks the same at all times");
  same(await scrub(page, max), live, "the slider's end and the live page");
  for (const [index, place] of [...places.entries()].reverse()) same(await scrub(page, place), first[index], `going back to ${place}`);
  for (const [index, place] of places.entries()) same(await scrub(page, place), first[index], `going forth to ${place}`);
  await scrub(page, min);
  same(await scrub(page, max), live, "from the beginning to the end");
  return `at ${places} of ${max}`;
}

async function live_goes_on_where_it_was_left(stage) {
  const { share, page } = await began(stage);
  await share.append(put(message(900_000)), put(text(900_000, "said ", 900_000)), grow(text(900_000, "", 900_000), "meanwhile"));
  check(!(await page.getByText("said meanwhile").count()), "the replay shows what came after it began");
  await page.keyboard.press("r");
  await page.getByText("said meanwhile").waitFor();
  await share.append(grow(text(900_000, "", 900_000), " and after"));
  await page.getByText("said meanwhile and after").waitFor();
  const fresh = await stage.page();
  await fresh.goto(share.url);
  await isLive(fresh);
  same(await contentOf(page), await contentOf(fresh), "a page back from a replay and a fresh one");
  check(!page.noted.errors.length, `errors: ${page.noted.errors}`);
  return "with what came meanwhile";
}

export const CASES = [
  {
    play: a_replay_ends_with_what_the_live_page_shows,
    faults: [{ file: "**/replay.js", from: "this.#next += 1;", to: "this.#next += this.#next === 40 ? 2 : 1;" }],
  },
  {
    play: the_slider_goes_back_and_forth,
    faults: [
      { file: "**/patches.js", from: "body.append(...old);", to: "body.append(...old.slice(1));" },
      { file: "**/patches.js", from: "undos.reverse()", to: "undos" },
    ],
  },
  {
    play: live_goes_on_where_it_was_left,
    faults: [{ file: "**/page.js", from: "this.#live.again();", to: "" }],
  },
];
