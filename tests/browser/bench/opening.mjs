// How long it takes until a long session is seen, and until the page does what its reader wants.

import { spread } from "./figures.mjs";
import { until } from "../waiting.mjs";

const RECORDINGS = new URL("../../recordings/", import.meta.url).pathname;
const TIMES = 15;

/** Notes when things are there first, in ms from the start of the navigation. */
function noting() {
  window.times = {};
  const note = (name, holds) => holds && !(name in window.times) && (window.times[name] = performance.now());
  new MutationObserver(() => {
    note("message", document.querySelector("#session .message"));
    note("controls", document.querySelector("#controls:not([hidden])"));
    note("live", document.querySelector('#connection[data-state="live"]'));
  }).observe(document, { subtree: true, childList: true, attributes: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") window.times.paint = entry.startTime;
  }).observe({ type: "paint", buffered: true });
}

export async function opening(stage) {
  const server = await stage.server();
  const share = await server.share();
  await share.push(`${RECORDINGS}long.jsonl.gz`);
  const times = [];
  let bytes = 0;
  for (let time = 0; time < TIMES; time += 1) {
    const page = await stage.page();
    await page.addInitScript(noting);
    const answer = await page.goto(share.url);
    bytes = (await answer.body()).length;
    await until(() => page.evaluate(() => window.times.live && window.times.paint), "live page");
    times.push(await page.evaluate(() => window.times));
    await page.context().close();
  }
  const of = (name) => spread(times.map((one) => one[name]));
  return {
    "items": (await share.items()).length,
    "bytes of the page": bytes,
    "first content painted": of("paint"),
    "first message in the DOM": of("message"),
    "controls there (interactive)": of("controls"),
    "live": of("live"),
  };
}
