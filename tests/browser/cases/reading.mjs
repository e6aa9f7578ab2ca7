// The page for whoever reads it: with a keyboard, on a phone, in the dark, with a screen reader, without scripts.

import { check } from "../content.mjs";
import { SMALL, grow, message, put, session, text, tool } from "../session.mjs";
import { until } from "../waiting.mjs";
import { isLive } from "./live.mjs";

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

async function small(stage, options = {}) {
  const share = await (await stage.server()).share("Small");
  await share.append(...SMALL.map(put));
  const page = await stage.page(options);
  await page.goto(share.url);
  if (options.javaScriptEnabled !== false) await isLive(page);
  return { share, page };
}

/** A session of many screens. */
async function tall(stage) {
  const share = await (await stage.server()).share("Tall");
  const turns = Array.from({ length: 30 }, (_, index) => index + 1);
  const said = (number) => text(number, `Answer ${number}.\n\n${"More words of it. ".repeat(60)}`, number);
  await share.append(put(session("Tall")), ...turns.flatMap((number) => [put(message(number, number % 2 ? "user" : "assistant")), put(said(number))]));
  const page = await stage.page();
  await page.goto(share.url);
  await isLive(page);
  return { share, page };
}

/** Demands that axe finds nothing serious. */
export async function accessible(page, axe, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const words = grave.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.slice(0, 3).map((node) => node.html.slice(0, 150)).join(" | ")}`);
  check(!grave.length, `${what}: ${words.join("\n")}`);
}

async function nothing_serious_for_axe(stage) {
  for (const colorScheme of ["light", "dark"]) {
    const { share, page } = await small(stage, { colorScheme });
    await share.append(put(tool(8, { status: "running", input: { command: "ls" }, output: "abc\u202edef" }, 2)));
    await page.getByText("ls").first().waitFor({ state: "attached" });
    await page.keyboard.press("u");
    await page.locator(".message").last().hover();
    await accessible(page, stage.axe, `${colorScheme}, unfolded`);
    await page.keyboard.press("r");
    await until(() => page.evaluate(() => document.querySelector("#player button").textContent === "Play"), "end of the replay");
    await accessible(page, stage.axe, `${colorScheme}, replay`);
    await page.keyboard.press("?");
    await accessible(page, stage.axe, `${colorScheme}, keys`);
    await page.keyboard.press("Escape");
    await share.unpublish();
    await page.locator("#notice").waitFor();
    await accessible(page, stage.axe, `${colorScheme}, ended`);
    await page.reload();
    await accessible(page, stage.axe, `${colorScheme}, gone`);
  }
  return "light and dark: unfolded, replay, keys, ended, gone";
}

async function without_scripts_everything_can_be_read(stage) {
  const { page } = await small(stage, { javaScriptEnabled: false });
  const words = await page.locator("body").innerText();
  for (const wanted of ["Count the words of a file", "1234", "internationalisation", "split_whitespace", "bash"]) {
    check(words.includes(wanted), `the page does not show ${wanted}`);
  }
  check(!(await page.locator("#controls").isVisible()), "there are controls that do nothing");
  await page.locator(".tool summary").first().click();
  check(await page.getByText("wc -w notes.md").isVisible(), "a tool can't be unfolded");
  return "all of it, and tools unfold";
}

async function a_phone_has_no_sideways_scrolling(stage) {
  const { share, page } = await small(stage, PHONE);
  const wide = [`| ${"wide | ".repeat(12)}`, `| ${"--- | ".repeat(12)}`, `| ${"cell | ".repeat(12)}`].join("\n");
  await share.append(put(text(20, `${"x".repeat(3000)}\n\n${wide}\n\n\`\`\`\n${"y".repeat(3000)}\n\`\`\``, 2)));
  await page.getByText("xxxxxxxx").first().waitFor();
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  // What is too wide for its place would be cut off there.
  const cut = await page.evaluate(() => [...document.querySelectorAll("#session *")].filter((one) => {
    const isCut = one.clientWidth && one.scrollWidth > one.clientWidth + 1;
    return isCut && !one.matches(".title") && getComputedStyle(one).overflowX !== "auto";
  }).map((one) => one.outerHTML.slice(0, 80)));
  check(!cut.length, `cut off at the side: ${cut.join(" | ")}`);
  const over = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check((await over()) <= 0, `the page is ${await over()} px too wide`);
  await page.getByRole("button", { name: "Replay" }).tap();
  await page.locator("#slider").waitFor();
  check((await over()) <= 0, `with the slider the page is ${await over()} px too wide`);
  return "with huge lines, a wide table and the slider";
}

const place = (page) => page.evaluate(() => {
  const bar = document.querySelector("#controls").getBoundingClientRect().top;
  return { below: document.querySelector("#session").getBoundingClientRect().bottom - bar, top: scrollY };
});

async function following_keeps_to_the_end_until_the_reader_scrolls_up(stage) {
  const { share, page } = await tall(stage);
  const follow = page.getByRole("button", { name: "Follow" });
  if ((await follow.getAttribute("aria-pressed")) !== "true") await follow.click();
  await until(async () => Math.abs((await place(page)).below) < 3, "page at its end");
  for (let number = 0; number < 5; number += 1) await share.append(grow(text(30, "", 30), `\n\n${"Grown. ".repeat(100)} ${number}.`));
  await page.getByText("Grown. 4.").waitFor();
  await until(async () => Math.abs((await place(page)).below) < 3, "page at its new end");
  await page.mouse.move(500, 300);
  await page.mouse.wheel(0, -900);
  await until(async () => (await follow.getAttribute("aria-pressed")) === "false", "following that is off");
  const seen = () => page.evaluate(() => {
    window.read ??= [...document.querySelectorAll(".block")].find((block) => block.getBoundingClientRect().top > 0);
    return window.read.getBoundingClientRect().top;
  });
  const before = await seen();
  await share.append(grow(text(2, "", 2), `\n\n${"Above. ".repeat(400)}`), grow(text(30, "", 30), "\n\nAt the end."));
  await page.getByText("At the end.").waitFor({ state: "attached" });
  await until(async () => (await page.getByRole("button", { name: "New" }).count()) === 1, "word of news");
  check(Math.abs((await seen()) - before) < 3, `what is read moved by ${(await seen()) - before} px`);
  await page.keyboard.press("f");
  await until(async () => Math.abs((await place(page)).below) < 3, "page at its end again");
  return "to the end, and not away from what is read";
}

async function keys_and_links_lead_to_messages(stage) {
  const { page, share } = await tall(stage);
  await page.evaluate(() => scrollTo(0, 0));
  const current = () => page.evaluate(() => document.activeElement.id);
  for (const [key, id] of [["j", "m-msg_000001"], ["j", "m-msg_000002"], ["j", "m-msg_000003"], ["k", "m-msg_000002"]]) {
    await page.keyboard.press(key);
    check((await current()) === id, `\`${key}\` leads to ${await current()}, not ${id}`);
  }
  await page.keyboard.press("?");
  check(await page.getByText("next message").isVisible(), "`?` shows no keys");
  await page.keyboard.press("Escape");
  await share.append(put(tool(40, { status: "completed", input: { command: "ls" }, output: "deep inside" }, 20)));
  const linked = await stage.page();
  await linked.goto(`${share.url}#p-msg_000020.prt_000040`);
  await isLive(linked);
  await linked.getByText("deep inside").waitFor({ state: "visible" });
  const top = () => linked.evaluate(() => document.getElementById("p-msg_000020.prt_000040").getBoundingClientRect().top);
  await until(async () => Math.abs(await top()) < 100, "part that the link means");
  return "j, k, ? and a link to a folded part";
}

async function what_is_shown_can_be_copied(stage) {
  const { page } = await small(stage);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await page.locator(".block pre").hover();
  await page.locator(".block .copy").click();
  await until(async () => (await copied()).startsWith("fn count("), "copied code");
  await page.locator(".message.user > header").hover();
  await page.locator(".message.user .copy").click();
  await until(async () => (await copied()).startsWith("Count the words of notes.md"), "copied message");
  await page.locator(".tool summary").first().click();
  await page.locator(".tool .output").first().hover();
  await page.getByRole("button", { name: "copy text" }).nth(1).click();
  await until(async () => (await copied()).includes("1234 notes.md"), "copied output");
  return "code, a message, a tool's output";
}

export const CASES = [
  {
    play: nothing_serious_for_axe,
    faults: [{ file: "**/page.css", from: "--muted: light-dark(#585f69, #a1a9b5);", to: "--muted: light-dark(#b5b5b5, #555555);" }],
  },
  {
    play: without_scripts_everything_can_be_read,
    faults: [{ file: "**/page.css", from: "#session { display: block; }", to: "#session { display: none; }" }],
  },
  {
    play: a_phone_has_no_sideways_scrolling,
    faults: [{ file: "**/page.css", from: "white-space: pre-wrap;\n  overflow-wrap: anywhere;", to: "white-space: pre; overflow: visible;" }],
  },
  {
    play: following_keeps_to_the_end_until_the_reader_scrolls_up,
    faults: [
      { file: "**/reading.js", from: "if (this.follows) this.#toEnd();\n    this.#told();", to: "this.#told();" },
      { file: "**/reading.js", from: "this.follow(false);", to: "this.follow(true);" },
    ],
  },
  {
    play: keys_and_links_lead_to_messages,
    faults: [{ file: "**/links.js", from: "fold.open = true;", to: "fold.open = false;" }],
  },
  {
    play: what_is_shown_can_be_copied,
    faults: [{ file: "**/copying.js", from: "writeText(text)", to: 'writeText("")' }],
  },
];
