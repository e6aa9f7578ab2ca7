// Content is whatever an agent read somewhere: nothing of it runs, loads, leads astray or hides.

import { check } from "../content.mjs";
import { message, part, put, session, text, tool } from "../session.mjs";
import { isLive } from "./live.mjs";

const ELSEWHERE = "http://elsewhere.invalid";
const RUN = "window.hacked=1;alert(1)";
const ESC = "\u001b";
const RLO = "\u202e";

/** What is tried in each place that shows text. */
const TRIES = [
  `<script>${RUN}</script>`,
  `<img src=x onerror="${RUN}">`,
  `<svg onload="${RUN}"><animate onbegin="${RUN}" attributeName=x></svg>`,
  `<iframe srcdoc="<script>parent.hacked=1</script>"></iframe>`,
  `"><script>${RUN}</script>`,
  `' onmouseover='${RUN}' x='`,
  `<style>body{display:none}</style><link rel=stylesheet href=${ELSEWHERE}/x.css>`,
  `<form action="${ELSEWHERE}"><input name=q><button>Sign in</button></form>`,
  `<div id="session" class="message user" style="position:fixed;inset:0">fake</div>`,
  `<a id=controls name=body href="javascript:${RUN}">click</a>`,
  `<base href="${ELSEWHERE}/"><meta http-equiv=refresh content="0;url=${ELSEWHERE}">`,
  `</pre></details></section></article></main><h1 id="title">fake</h1>`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${RUN}&gt;">`,
  `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
  `<template><script>${RUN}</script></template>`,
  `${ESC}[31mred${ESC}[0m ${ESC}]0;title\u0007 ${ESC}[2J`,
  `abc${RLO}cba\u2066def\u2069 \u200f\u0000\u0008`,
];

const MARKDOWN = [
  `[run](javascript:${RUN})`,
  `[run](JaVaScRiPt&colon;${RUN})`,
  `[data](data:text/html,<script>${RUN}</script>)`,
  `[vb](vbscript:x) [file](file:///etc/passwd) [rel](/owner) [proto](//elsewhere.invalid/x)`,
  `![tracker](${ELSEWHERE}/pixel.png)`,
  `<${ELSEWHERE}/auto> and ${ELSEWHERE}/bare`,
  `[x]: javascript:${RUN}\n\n[x]`,
  `[a](${ELSEWHERE}/"onmouseover="${RUN})`,
  "```html\"><script>window.hacked=1</script>\n</code></pre><script>window.hacked=1</script>\n```",
  `| a | b |\n| --- | --- |\n| <img src=x onerror=${RUN}> | \`<script>${RUN}</script>\` |`,
];

const bad = TRIES.join("\n");

const HOSTILE = [
  session(bad, { summary: { additions: 1, deletions: 1, files: 1 } }),
  message(1, "user", { summary: { diffs: [{ file: bad, patch: `+${bad}`, additions: 1, deletions: 0 }] } }),
  ...TRIES.map((words, index) => text(index + 1, words)),
  ...MARKDOWN.map((words, index) => text(index + 101, words)),
  { ...message(2), id: "session" },
  { ...message(3), id: `x"><script>${RUN}</script>`, modelID: bad, error: { name: bad, data: { message: bad } } },
  { ...text(1, `as \`title\`, ${bad}`, 2), messageID: "session", id: "title" },
  message(4, bad),
  tool(1, { status: "completed", input: { command: bad }, output: bad, title: bad, metadata: { diff: bad } }, 4),
  tool(2, { status: bad, input: { [bad]: bad }, error: bad }, 4, bad),
  part(3, 4, { type: "file", filename: bad, url: `javascript:${RUN}`, mime: bad }),
  part(4, 4, { type: "file", filename: "pixel.png", url: `data:text/html,<script>${RUN}</script>`, mime: "text/html" }),
  part(5, 4, { type: "reasoning", text: bad }),
  part(6, 4, { type: "patch", hash: bad, files: [bad] }),
  part(7, 4, { type: bad, words: bad }),
  text(8, "w".repeat(100_000), 4),
  text(9, "> ".repeat(2000) + "deep", 4),
];

const ops = [...HOSTILE.map(put), { op: "put", key: "session_diff", value: [{ file: bad, patch: bad, additions: 1, deletions: 1 }] }];

/** What of the content is more than text. */
const found = (page) => page.evaluate(() => {
  const places = [...document.querySelectorAll("#title, #facts, #session, #changes")];
  const inside = places.flatMap((place) => [...place.querySelectorAll("*")]);
  const active = "script,style,link,base,meta,iframe,object,embed,form,input,textarea,img,svg,math,template,audio,video";
  const odd = inside.filter((one) => one.matches(active)).map((one) => one.localName);
  const plain = ["id", "class", "href", "rel", "datetime", "aria-label", "start", "data-language", "open", "dir", "tabindex"];
  const attributes = inside.flatMap((one) => one.getAttributeNames()).filter((name) => !plain.includes(name));
  const links = inside.filter((one) => one.matches("a")).filter((link) => {
    const isOwn = link.getAttribute("href").startsWith("#");
    return !isOwn && !(/^(https?|mailto):/.test(link.href) && /\bnofollow\b/.test(link.rel) && /\bnoopener\b/.test(link.rel));
  });
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  return {
    hacked: window.hacked ?? null,
    odd: [...odd, ...attributes, ...links.map((link) => link.href)],
    twice: ids.filter((id, index) => ids.indexOf(id) !== index),
    places: ["session", "changes", "title", "controls"].map((id) => document.getElementById(id).localName).join(),
    controls: places.map((place) => place.textContent).join("").match(/[\u202a-\u202e\u2066-\u2069\u001b\u0000\u0008]/g)?.length ?? 0,
    marks: document.querySelectorAll(".mark").length,
    words: document.body.innerText,
  };
});

async function holds(page, origin, what) {
  const seen = await found(page);
  check(seen.hacked === null, `${what}: a script of the content ran`);
  check(!seen.odd.length, `${what}: the page has ${[...new Set(seen.odd)].join(", ")} of the content`);
  check(!seen.twice.length, `${what}: ids are there twice: ${seen.twice}`);
  check(seen.places === "main,aside,h1,div", `${what}: content took an id of the page: ${seen.places}`);
  check(seen.controls === 0, `${what}: ${seen.controls} characters that turn or move text are there`);
  check(seen.marks > 0, `${what}: nothing shows that text was meant to be turned`);
  check(seen.words.includes("<script>"), `${what}: what was tried is not shown as text`);
  const { requests, dialogs, violations, errors } = page.noted;
  const others = requests.filter(({ url }) => new URL(url).origin !== origin);
  check(!others.length, `${what}: asked for ${others.map(({ url }) => url)}`);
  check(!dialogs.length && !violations.length && !errors.length, `${what}: ${[...dialogs, ...violations, ...errors]}`);
}

async function hostile_content_is_only_text(stage) {
  const server = await stage.server();
  const share = await server.share("Hostile");
  await share.append(put(session("Hostile")));
  const live = await stage.page();
  await live.goto(share.url);
  await isLive(live);
  await share.append(...ops);
  await live.getByText("wwwwwwwwww").first().waitFor();
  await holds(live, server.url, "patches");
  const fresh = await stage.page();
  await fresh.goto(share.url);
  await isLive(fresh);
  await fresh.keyboard.press("u");
  await holds(fresh, server.url, "the page");
  const bottom = await fresh.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(bottom <= 0, `the content makes the page ${bottom} px too wide`);
  await fresh.keyboard.press("r");
  await fresh.getByText("wwwwwwwwww").first().waitFor();
  await holds(fresh, server.url, "the replay");
  return `${ops.length} items, as patches, as a page and in a replay`;
}

export const hostileOps = ops;

export const CASES = [
  {
    play: hostile_content_is_only_text,
    faults: [
      { file: "**/share/*", from: '<main id="session">', to: '<main id="session"><img src=x onerror="window.hacked=1">', headers: { "content-security-policy": "" } },
      { file: "**/share/*", from: '<main id="session">', to: '<main id="session"><img src=x onerror="window.hacked=1">' },
      { file: "**/elements.js", from: "template.innerHTML = html;", to: "template.innerHTML = html.replaceAll('&lt;img', '<img');" },
    ],
  },
];
