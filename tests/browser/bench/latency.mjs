// From before an op is enqueued, through outbox and server, to the DOM of a page.

import { put, session } from "../session.mjs";
import { isLive } from "../cases/live.mjs";
import { until } from "../waiting.mjs";
import { spread } from "./figures.mjs";
import { stream } from "./tokens.mjs";

const SECONDS = 30;

export async function latency(stage) {
  const share = await (await stage.server()).share("Tokens");
  await share.append(put(session("Tokens")));
  const page = await stage.page();
  await page.goto(share.url);
  await isLive(page);
  await page.evaluate(() => {
    window.delays = [];
    const look = () => {
      const at = performance.timeOrigin + performance.now();
      const last = [...document.querySelectorAll(".part.text")].slice(-2).map((part) => part.textContent.slice(-2000)).join(" ");
      for (const [, number, tenths] of last.matchAll(/n(\d+)t(\d+)/g)) {
        if (Number(number) in window.delays) continue;
        window.delays[number] = at - Number(tenths) / 10;
      }
    };
    new MutationObserver(look).observe(document.querySelector("#session"), { subtree: true, childList: true, characterData: true });
  });
  const writer = share.pushing();
  const count = await stream(writer, SECONDS);
  await writer.end();
  await until(() => page.evaluate((last) => last in window.delays, count - 1), "last token");
  const delays = await page.evaluate(() => window.delays.filter((delay) => delay !== null));
  return { "from before the enqueue to the DOM": spread(delays), "tokens seen": `${delays.length} of ${count}` };
}
