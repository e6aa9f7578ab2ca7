// A session of 20,000 parts, scrolled through.

import { isLive } from "../cases/live.mjs";
import { message, put, session, text, tool } from "../session.mjs";
import { spread } from "./figures.mjs";

const MESSAGES = 400;
const PARTS = 50;
const SECONDS = 8;
/** Pixels from one frame to the next: of 60 in a second, eleven screens a second, and fifty. */
const STEPS_PX = { scrolled: 150, flung: 700 };

function part(number, of) {
  const words = `Part ${number}: ${"some words of an answer ".repeat(1 + (number % 5))}\n\n- one\n- two\n\n\`code ${number}\``;
  if (number % 3) return text(number, words, of);
  return tool(number, { status: "completed", input: { command: `step ${number}` }, output: `${"line\n".repeat(6)}`, title: `step ${number}` }, of);
}

export async function scrolling(stage) {
  const share = await (await stage.server()).share("Long");
  const turns = Array.from({ length: MESSAGES }, (_, index) => index + 1);
  const parts = (of) => Array.from({ length: PARTS }, (_, index) => put(part(of * PARTS + index, of)));
  await share.append(put(session("Long")), ...turns.flatMap((of) => [put(message(of, of % 2 ? "user" : "assistant")), ...parts(of)]));
  const page = await stage.page();
  const began = Date.now();
  await page.goto(share.url, { timeout: 120_000 });
  await isLive(page);
  await page.waitForFunction((count) => document.querySelectorAll(".part").length >= count, MESSAGES * PARTS, { timeout: 120_000 });
  const opened = Date.now() - began;
  const figures = {
    "parts": await page.evaluate(() => document.querySelectorAll(".part").length),
    "whole and live after": `${opened} ms`,
  };
  for (const [name, STEP_PX] of Object.entries(STEPS_PX)) {
    const { frames, top, height } = await page.evaluate(scroll, { SECONDS, STEP_PX });
    figures[`${name}, frames per second`] = (frames.length / SECONDS).toFixed(1);
    figures[`${name}, time of a frame`] = spread(frames);
    figures[`${name}, to`] = `${top} of ${height} px`;
  }
  return figures;
}

/** In the page: scrolls down, and up again at the end; the times between frames. */
async function scroll({ SECONDS, STEP_PX }) {
  const frames = [];
  const end = performance.now() + SECONDS * 1000;
  let [last, step] = [performance.now(), STEP_PX];
  scrollTo(0, 0);
  while (last < end) {
    const at = await new Promise((resolve) => requestAnimationFrame(resolve));
    frames.push(at - last);
    last = at;
    const before = scrollY;
    scrollBy({ top: step, behavior: "instant" });
    if (scrollY === before) step = -step;
  }
  return { frames: frames.slice(2), top: scrollY, height: document.documentElement.scrollHeight };
}
