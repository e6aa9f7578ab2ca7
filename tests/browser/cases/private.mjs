// A private share: the secret stays in the fragment and in one body, and the page ends with the grant.

import { check } from "../content.mjs";
import { SMALL, grow, message, put, text } from "../session.mjs";
import { until } from "../waiting.mjs";
import { shown } from "./ending.mjs";
import { isLive } from "./live.mjs";

const WORD = "internationalisation";

async function opened(stage) {
  const server = await stage.server();
  const share = await server.share("Private");
  await share.append(...SMALL.map(put));
  const reader = await share.reader();
  const page = await stage.page();
  await page.goto(`${server.url}/private#${encodeURIComponent(reader.ref)}`);
  await isLive(page);
  await page.getByText(WORD).waitFor();
  return { server, share, reader, page };
}

async function a_secret_is_in_no_address_and_in_no_header(stage) {
  const { share, reader, page } = await opened(stage);
  await page.keyboard.press("r");
  await page.getByText(WORD).waitFor();
  await page.keyboard.press("r");
  await share.append(put(message(9)), put(text(9, "grown", 9)));
  await page.getByText("grown").waitFor();
  await page.locator(".anchor").first().click();
  await page.reload();
  await page.getByText("grown").waitFor();
  const secret = reader.ref.split("#")[1];
  const { requests } = page.noted;
  const has = (value) => JSON.stringify(value ?? "").includes(secret);
  const leaks = requests.filter(({ url, headers }) => has(url.split("#")[0]) || has(headers));
  check(!leaks.length, `the secret is in ${leaks.map(({ url }) => url)}`);
  const bodies = requests.filter(({ body }) => has(body));
  check(bodies.length === 2 && bodies.every(({ url }) => url.endsWith("/private/open")), `the secret is in the bodies to ${bodies.map(({ url }) => url)}`);
  check(!(await page.evaluate((secret) => document.documentElement.outerHTML.includes(secret), secret)), "the page has the secret in it");
  return `${requests.length} requests, ${bodies.length} of which carry it in their body`;
}

async function a_revoked_grant_blanks_the_page(stage) {
  const { server, share, reader, page } = await opened(stage);
  await server.stop("SIGKILL");
  await server.start();
  await share.append(grow(SMALL[2], " And again."));
  await page.getByText("And again.").waitFor();
  await share.revoke(reader.grant);
  await until(async () => !(await shown(page)).includes(WORD), "blank page", 3_000);
  await page.reload();
  await until(async () => (await page.locator("#notice").count()) === 1, "words in place of the page");
  check(!(await shown(page)).includes(WORD), "the page is there again");
  return "after a restart, which no token outlives";
}

async function a_grant_that_ended_while_the_page_was_away_blanks_it(stage) {
  const { server, share, reader, page } = await opened(stage);
  await page.context().setOffline(true);
  await server.stop("SIGKILL");
  await until(() => page.evaluate(() => document.querySelector("#connection").dataset.state !== "live"), "page without a server");
  await server.start();
  await share.revoke(reader.grant);
  await page.context().setOffline(false);
  await until(async () => !(await shown(page)).includes(WORD), "blank page", 5_000);
  return "its ref opens nothing any more";
}

export const CASES = [
  {
    play: a_secret_is_in_no_address_and_in_no_header,
    faults: [
      { file: "**/private.js", from: "fetch(OPEN,", to: "fetch(OPEN + '?ref=' + encodeURIComponent(ref)," },
      { file: "**/private.js", from: 'headers: { "content-type": "application/json" }', to: 'headers: { "content-type": "application/json", "x-ref": ref }' },
    ],
  },
  {
    play: a_grant_that_ended_while_the_page_was_away_blanks_it,
    faults: [{ file: "**/private.js", from: "return response.ok ? ask() : response;", to: "return ask();" }],
  },
  {
    play: a_revoked_grant_blanks_the_page,
    faults: [
      { file: "**/private.js", from: "first.status !== 401", to: "true" },
      { file: "**/live.js", from: 'if (type === "end") this.end(data.words);', to: 'if (type === "end") return;', also: { file: "**/live.js", from: "error.isFinal", to: "false" } },
    ],
  },
];
