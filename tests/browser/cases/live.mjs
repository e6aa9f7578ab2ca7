// The live page: it shows all of a session, grows with it, and neither misses nor repeats anything.


import { check, contentOf, same, tokens, wordsOf } from "../content.mjs";
import { grow, item, message, put, session, text } from "../session.mjs";
import { later, until } from "../waiting.mjs";

const RECORDINGS = new URL("../../recordings/", import.meta.url).pathname;
const TOKENS = 60;
/** From one token to the next: those that come within the server's `event_pause`, 30 ms, are one event. */
const PACE_MS = 60;

/** The page says that it is live, and has nothing left to show up to the share's cursor. */
export const isLive = (page) => until(() => page.evaluate(() => document.querySelector("#connection")?.dataset.state === "live"), "live page");

/** Items that the page does not show as the share has them. */
async function missing(page, items) {
  const shown = await page.evaluate(() => {
    const textOf = (one) => {
      const [nodes, texts] = [document.createTreeWalker(one, NodeFilter.SHOW_TEXT), []];
      while (nodes.nextNode()) texts.push(nodes.currentNode.data);
      return texts.join(" ");
    };
    const all = [...document.querySelectorAll("#session .message, #session .part")];
    return Object.fromEntries(all.map((one) => [one.id, textOf(one)]));
  });
  const lacking = [];
  for (const { type, data } of items) {
    if (type === "message" && !(`m-${data.id}` in shown)) lacking.push(data.id);
    if (type !== "part") continue;
    const there = shown[`p-${data.messageID}.${data.id}`];
    if (["text", "reasoning"].includes(data.type)) {
      const wanted = wordsOf(data.text).join(" ");
      if (!tokens(there ?? "").join(" ").includes(wanted)) lacking.push(`${data.type} ${data.id}`);
    }
    if (data.type === "tool" && !there?.includes((data.state.output ?? "").trim())) lacking.push(`tool ${data.id}`);
  }
  return lacking;
}

async function long_recording_is_shown_wholly(stage) {
  const share = await (await stage.server()).share();
  const live = await stage.page();
  await live.goto(share.url);
  await isLive(live);
  await share.push(`${RECORDINGS}long.jsonl.gz`);
  const items = await share.items();
  let lacking = [];
  await until(async () => !(lacking = await missing(live, items)).length, "whole session on the live page").catch((error) => {
    throw new Error(`${error.message}: ${lacking.length} of ${items.length} items are missing: ${lacking.slice(0, 5)}`);
  });
  const fresh = await stage.page({ javaScriptEnabled: true });
  await fresh.goto(share.url);
  await isLive(fresh);
  same(await contentOf(live), await contentOf(fresh), "a page that grew and a fresh one");
  check(!live.noted.errors.length, `errors: ${live.noted.errors}`);
  return `${items.length} items`;
}

async function text_grows_token_by_token(stage) {
  const share = await (await stage.server()).share("Growing");
  await share.append(put(session("Growing")), put(message(1)), put(text(1, "")));
  const page = await stage.page();
  await page.goto(share.url);
  await isLive(page);
  await page.evaluate(() => {
    window.seen = [];
    const note = () => window.seen.push(document.querySelector(".part.text")?.textContent ?? "");
    new MutationObserver(note).observe(document.querySelector("#session"), { subtree: true, childList: true, characterData: true });
  });
  for (let number = 0; number < TOKENS; number += 1) {
    await Promise.all([share.append(grow(text(1, ""), `word${number} `)), later(PACE_MS)]);
  }
  await page.getByText(`word${TOKENS - 1}`).waitFor();
  const seen = await page.evaluate(() => [...new Set(window.seen)]);
  for (const [index, words] of seen.entries()) {
    check(index === 0 || words.trim().startsWith(seen[index - 1].trim()), `text did not only grow: ${JSON.stringify(seen[index - 1])}, then ${JSON.stringify(words)}`);
  }
  check(seen.length > TOKENS * 0.8, `of ${TOKENS} tokens only ${seen.length} were seen one by one`);
  return `${seen.length} of ${TOKENS} steps seen`;
}

async function server_killed_midway_leaves_no_gap_and_no_repeat(stage) {
  const server = await stage.server();
  const share = await server.share("Restart");
  await share.append(put(session("Restart")), put(message(1)));
  const page = await stage.page();
  await page.goto(share.url);
  await isLive(page);
  await page.evaluate(() => (window.isTheSame = true));
  const writer = share.pushing();
  let words = "";
  for (let number = 0; number < 300; number += 1) {
    words += `word${number} `;
    if (number % 40 === 39) words += "\n\n";
    writer.items(item(text(1, words)));
    if (number === 120) server.child.kill("SIGKILL");
    if (number === 160) {
      await server.stop("SIGKILL");
      await server.start();
    }
    await later(5);
  }
  await writer.end();
  await page.getByText("word299").waitFor();
  const shown = tokens(await page.locator(".part.text").innerText());
  const wanted = Array.from({ length: 300 }, (_, number) => `word${number}`);
  check(shown.join() === wanted.join(), `the page shows ${shown.length} words, ${shown.join(" ").slice(0, 200)} …`);
  check(await page.evaluate(() => window.isTheSame), "the page was loaded anew");
  const fresh = await stage.page();
  await fresh.goto(share.url);
  await isLive(fresh);
  same(await contentOf(page), await contentOf(fresh), "a page over a restart and a fresh one");
  return "300 words over a restart";
}

async function a_page_that_changes_do_not_fit_becomes_whole_again(stage) {
  const share = await (await stage.server()).share("Torn");
  const turns = Array.from({ length: 20 }, (_, index) => index + 1);
  const said = (number) => text(number, `Answer ${number}. ${"More words. ".repeat(100)}`, number);
  await share.append(put(session("Torn")), ...turns.flatMap((number) => [put(message(number)), put(said(number))]));
  const page = await stage.page();
  await page.goto(share.url);
  await isLive(page);
  const top = () => page.evaluate(() => document.getElementById("m-msg_000010").getBoundingClientRect().top);
  await page.evaluate(() => {
    document.getElementById("m-msg_000010").scrollIntoView();
    document.getElementById("m-msg_000020").remove();
  });
  await until(() => page.evaluate(() => document.querySelector('[aria-pressed="false"]') !== null), "following that is off");
  const before = await top();
  await share.append(grow(text(20, "", 20), "And the end."));
  await page.getByText("And the end.").waitFor({ state: "attached" });
  await until(async () => Math.abs((await top()) - before) < 5, "message that was read where it was");
  const fresh = await stage.page();
  await fresh.goto(share.url);
  await isLive(fresh);
  same(await contentOf(page), await contentOf(fresh), "a page that was torn and a fresh one");
  return "and shows what was read where it was";
}

export const CASES = [
  {
    play: long_recording_is_shown_wholly,
    faults: [{ file: "**/patches.js", from: "place.insertBefore(fresh,", to: "(id.endsWith('7') ? new DocumentFragment() : place).insertBefore(fresh," }],
  },
  {
    play: text_grows_token_by_token,
    faults: [
      { file: "**/page.js", from: "this.change(() => apply(patches));", to: "(this.kept ??= []).push(...patches); clearTimeout(this.timer); this.timer = setTimeout(() => this.change(() => apply(this.kept.splice(0))), 500);" },
      { file: "**/patches.js", from: "body.append(...fresh);", to: "body.replaceChildren(); setTimeout(() => body.append(...fresh), 5);" },
    ],
  },
  {
    play: a_page_that_changes_do_not_fit_becomes_whole_again,
    faults: [
      { file: "**/live.js", from: "if (error instanceof Misfit) this.cursor = null;", to: "" },
      { file: "**/page.js", from: "if (isReset) this.#reading.keep();", to: "" },
    ],
  },
  {
    play: server_killed_midway_leaves_no_gap_and_no_repeat,
    faults: [
      { file: "**/live.js", from: "await this.#backOff();", to: "return;" },
      {
        file: "**/live.js",
        from: "this.#event(event);",
        to: "if (!this.page.began) this.page.began = began; if (this.page.began === began || performance.now() - began > 1000) this.#event(event);",
        also: { file: "**/patches.js", from: "body.childElementCount < from", to: "false" },
      },
      { file: "**/live.js", from: "await this.#backOff();", to: "location.reload();" },
    ],
  },
];
