// Pictures of the page, for people who look at the documents.

import { join } from "node:path";

import { SMALL, put } from "../session.mjs";
import { Stage } from "../stage.mjs";
import { until } from "../waiting.mjs";
import { hostileOps } from "./hostile.mjs";
import { isLive } from "./live.mjs";
import { ownerPage } from "./owner.mjs";

const RECORDINGS = new URL("../../recordings/", import.meta.url).pathname;
const PHONE = { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true };
const WIDE = { viewport: { width: 1000, height: 1000 } };

async function small(stage, options) {
  const share = await (await stage.server()).share("Count the words of a file");
  await share.append(...SMALL.map(put));
  const page = await stage.page(options);
  await page.goto(share.url);
  await isLive(page);
  await page.evaluate(() => (document.querySelector(".tool:has(.diff) details").open = true));
  await page.evaluate(() => scrollTo(0, 0));
  return page;
}

async function long(stage) {
  const share = await (await stage.server()).share();
  await share.push(`${RECORDINGS}long.jsonl.gz`);
  const page = await stage.page(WIDE);
  await page.goto(share.url);
  await isLive(page);
  await page.keyboard.press("r");
  await until(() => page.evaluate(() => Number(document.querySelector("#slider").value) > 20), "replay under way");
  await page.keyboard.press("p");
  await page.evaluate(() => {
    const input = document.querySelector("#slider");
    input.value = window.place = Math.floor(input.max / 3);
    input.dispatchEvent(new Event("input"));
  });
  await until(() => page.evaluate(() => Math.abs(document.querySelector("#slider").value - window.place) < 20), "third of the session");
  await page.evaluate(() => scrollTo(0, 0));
  return page;
}

async function hostile(stage) {
  const share = await (await stage.server()).share("Hostile");
  await share.append(...hostileOps);
  const page = await stage.page(WIDE);
  await page.goto(share.url);
  await isLive(page);
  await page.evaluate(() => scrollTo(0, document.querySelector(".message").offsetTop));
  return page;
}

const PICTURES = {
  light: (stage) => small(stage, WIDE),
  dark: (stage) => small(stage, { ...WIDE, colorScheme: "dark" }),
  phone: (stage) => small(stage, PHONE),
  long,
  hostile,
  owner: (stage) => ownerPage(stage, { viewport: { width: 1000, height: 560 } }),
};

/** Takes all pictures, or those that are named. */
export async function take(settings, work, { pictures, only }) {
  for (const [name, shown] of Object.entries(PICTURES)) {
    if (!name.includes(only)) continue;
    const stage = new Stage({ ...settings, folder: join(work, name) });
    try {
      const page = await shown(stage);
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(pictures, `${name}.png`) });
      console.log(`${name}.png`);
    } finally {
      await stage.end();
    }
  }
}
