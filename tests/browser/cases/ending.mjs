// When a share's public address or a grant ends, nothing of it stays on a page.

import { check } from "../content.mjs";
import { SMALL, message, put, session, text } from "../session.mjs";
import { until } from "../waiting.mjs";
import { isLive } from "./live.mjs";

const WORD = "internationalisation";

export const shown = (page) => page.evaluate(() => `${document.title}\n${document.documentElement.textContent}`);

async function isBlank(page) {
  await until(async () => !(await shown(page)).includes(WORD), "blank page", 3_000);
  const words = await page.evaluate(() => document.body.innerText.trim());
  check(words.length < 200 && words.length > 5, `the page says: ${words}`);
}

async function an_unpublished_page_is_blank_at_once(stage) {
  const share = await (await stage.server()).share("Soon gone");
  await share.append(...SMALL.map(put));
  const pages = [await stage.page(), await stage.page()];
  for (const page of pages) {
    await page.goto(share.url);
    await isLive(page);
    await page.getByText(WORD).waitFor();
  }
  await pages[1].keyboard.press("r");
  await pages[1].getByText(WORD).waitFor();
  await share.unpublish();
  const began = Date.now();
  for (const page of pages) await isBlank(page);
  const took = Date.now() - began;
  const requests = pages[0].noted.requests.length;
  await pages[0].reload();
  check(!(await shown(pages[0])).includes(WORD), "the page is there again");
  check(pages[0].noted.requests.length > requests, "nothing was asked for");
  return `blank ${took} ms after \`share unpublish\` ended, also in a replay`;
}

async function what_ended_while_the_page_was_away_is_blank_when_it_is_back(stage) {
  const server = await stage.server();
  const share = await server.share("Away");
  await share.append(...SMALL.map(put));
  const page = await stage.page();
  await page.goto(share.url);
  await isLive(page);
  await page.context().setOffline(true);
  await server.stop("SIGKILL");
  await until(() => page.evaluate(() => document.querySelector("#connection").dataset.state !== "live"), "page without a server");
  check((await shown(page)).includes(WORD), "a page without a server shows nothing");
  await server.start();
  await share.unpublish();
  await page.context().setOffline(false);
  await isBlank(page);
  return "the stream answers 404";
}

async function an_earlier_page_of_a_long_session_is_blank_too(stage) {
  const share = await (await stage.server()).share("Long, and soon gone");
  const long = "word after word ".repeat(3_900);
  const numbers = Array.from({ length: 150 }, (_, index) => index + 1);
  await share.append(...[session("Long"), ...numbers.flatMap((of) => [message(of), text(of, `${WORD} number ${of}. ${long}`, of)])].map(put));
  const [page, newest] = [await stage.page(), await stage.page()];
  for (const one of [page, newest]) {
    await one.goto(share.url);
    await isLive(one);
  }
  await page.getByRole("link", { name: "Earlier messages" }).click();
  await page.getByText("earlier messages", { exact: true }).waitFor();
  await page.getByText(`${WORD} number 1.`).waitFor();
  const before = await shown(page);
  await share.append(put(message(151)), put(text(151, "What comes later", 151)));
  await newest.getByText("What comes later").waitFor();
  check((await shown(page)) === before, "a page of earlier messages has changed");
  await share.unpublish();
  await isBlank(page);
  return "no patch, and then the end";
}

export const CASES = [
  {
    play: an_unpublished_page_is_blank_at_once,
    faults: [
      { file: "**/live.js", from: 'if (type === "end") this.end(data.words);', to: 'if (type === "end") return;', also: { file: "**/live.js", from: "error.isFinal", to: "false" } },
    ],
  },
  {
    play: what_ended_while_the_page_was_away_is_blank_when_it_is_back,
    faults: [{ file: "**/live.js", from: "error.isFinal", to: "false" }],
  },
  {
    play: an_earlier_page_of_a_long_session_is_blank_too,
    faults: [
      { file: "**/page.js", from: "live ?? still", to: "live ?? '/healthz'" },
      { file: "**/live.js", from: "if (!this.isStill) ", to: "" },
    ],
  },
];
