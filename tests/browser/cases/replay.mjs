// The time slider: the session, played from its log, comes to be what it is.

import { check, contentOf, same } from "../content.mjs";
import { SMALL, grow, message, put, session, text, tool } from "../session.mjs";
import { until } from "../waiting.mjs";
import { isLive } from "./live.mjs";

const RECORDINGS = new URL("../../recordings/", import.meta.url).pathname;

/** Ops of each kind that a page can show: text, code and output that grow, what moves, changes and goes. */
function changes() {
  const running = (lines) => tool(930, { status: "running", input: { command: "seq" }, output: "line\n".repeat(lines), title: "seq" }, 920);
  const words = Array.from({ length: 20 }, (_, index) => index);
  return [
    ...SMALL.map(put),
    put(message(920)),
    put(text(921, "", 920)),
    ...words.map((index) => grow(text(921, "", 920), index % 5 ? `word ${index} ` : `\n\n# Title ${index}\n\n`)),
    put(text(922, "```\n", 920)),
    ...words.map((index) => grow(text(922, "", 920), index % 3 ? `code ${index} ` : "\n")),
    ...words.map((index) => put(running(index))),
    put(session("Another title", { cost: 1.5 })),
    { op: "put", key: "session_diff", value: [{ file: "a.rs", patch: "+a\n", additions: 1, deletions: 0 }] },
    { op: "remove", key: "part/msg_000920/prt_000921" },
    put(message(920, "assistant", { cost: 2, time: { created: 1, completed: 9 } })),
    put(text(922, "all of it is another", 920)),
    { op: "put", key: "session_diff", value: [{ file: "b.rs", patch: "+b\n", additions: 1, deletions: 0 }] },
    { op: "remove", key: "message/msg_000002" },
  ];
}

const slider = (page) => page.evaluate(() => {
  const { min, max } = document.querySelector("#slider");
  const player = document.querySelector("#player");
  const isIdle = player.ariaBusy === "false" && player.querySelector("button").textContent === "Play";
  return { min: Number(min), max: Number(max), cursor: Number(document.querySelector("#time").dataset.cursor), isIdle };
});

/** Moves the slider, and waits until the page is there. */
async function scrub(page, cursor) {
  await page.evaluate((cursor) => {
    const input = document.querySelector("#slider");
    input.value = cursor;
    input.dispatchEvent(new Event("input"));
  }, cursor);
  // A step may be more than one op.
  const near = async () => {
    const { cursor: at, isIdle } = await slider(page);
    return isIdle && at <= cursor && at > cursor - 5;
  };
  await until(near, `page at ${cursor}`);
  return contentOf(page);
}

async function began(stage) {
  const share = await (await stage.server()).share();
  await share.push(`${RECORDINGS}small.jsonl.gz`);
  await share.append(...changes());
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
  await until(async () => (await slider(page)).cursor > 3, "first steps");
  check(JSON.stringify(await contentOf(page)) !== JSON.stringify(live), "the replay shows the end at once");
  const atEnd = async () => {
    const { cursor, max, isIdle } = await slider(page);
    return cursor === max && isIdle;
  };
  await until(atEnd, "end of the replay", 60_000);
  same(await contentOf(page), live, "the replay's end and the live page");
  return `${(await slider(page)).max} ops`;
}

async function the_slider_goes_back_and_forth(stage) {
  const { page, live } = await began(stage);
  await page.keyboard.press("p");
  const { min, max } = await slider(page);
  const places = [0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 0.95, 0.98].map((share) => Math.round(min + (max - min) * share));
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
    faults: [{ file: "**/replay.js", from: "apply(step.patches)", to: "apply(this.#next === 40 ? [] : step.patches)" }],
  },
  {
    play: the_slider_goes_back_and_forth,
    faults: [
      { file: "**/patches.js", from: "body.append(...old);", to: "body.append(...old.slice(1));" },
      { file: "**/patches.js", from: "node.length - from, cut)", to: "0, cut)" },
      { file: "**/patches.js", from: "() => fresh.replaceWith(old)", to: "() => {}" },
      { file: "**/patches.js", from: "parentNode.insertBefore(node, nextSibling)", to: "parentNode.append(node)" },
      { file: "**/patches.js", from: "return () => show(old);", to: "return () => {};" },
      { file: "**/replay.js", from: "this.place.cursor > cursor && isCurrent()", to: "this.place.cursor > cursor + 1 && isCurrent()" },
    ],
  },
  {
    play: live_goes_on_where_it_was_left,
    faults: [{ file: "**/page.js", from: "this.#live.again();", to: "" }],
  },
];
