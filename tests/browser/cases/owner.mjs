// The owner's page: what is read, and an end to it.

import { check } from "../content.mjs";
import { SMALL, put } from "../session.mjs";
import { until } from "../waiting.mjs";
import { shown } from "./ending.mjs";
import { isLive } from "./live.mjs";
import { accessible } from "./reading.mjs";

const WORD = "internationalisation";

/** The owner's page, with a share that is viewed and granted. */
async function seen(stage, options = {}) {
  const server = await stage.server();
  const share = await server.share("Seen by some");
  await share.append(...SMALL.map(put));
  await share.run(["grant", "@owner.ref", "--rights", "read", "--label", "a colleague", ...share.registry]);
  const viewer = await stage.page();
  await viewer.goto(share.url);
  await isLive(viewer);
  const page = await stage.page(options);
  await page.goto(`${server.url}/`);
  await page.getByLabel("A ref with the right").fill(share.ref);
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator(".share table").waitFor();
  return { share, viewer, page };
}

export const ownerPage = async (stage, options) => (await seen(stage, options)).page;

async function an_owner_sees_who_reads_and_ends_it(stage) {
  const { share, viewer, page } = await seen(stage);
  const words = () => page.locator(".share").innerText();
  await until(async () => (await words()).includes("1 watching"), "viewer on the owner's page");
  for (const wanted of ["Seen by some", `${SMALL.length} ops`, "a colleague", "Public address"]) check((await words()).includes(wanted), `the page lacks ${wanted}: ${await words()}`);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await accessible(page, stage.axe, colorScheme);
  }
  const button = page.getByRole("button", { name: /^Unpublish/ });
  await button.click();
  check((await shown(viewer)).includes(WORD), "one click ended it");
  await button.click();
  await page.getByText(/viewers? cut off/).waitFor();
  await until(async () => !(await shown(viewer)).includes(WORD), "blank page of the viewer", 3_000);
  await page.reload();
  await page.locator(".share table").waitFor();
  await page.getByRole("button", { name: "Forget here" }).click();
  const kept = await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }));
  const secret = share.ref.split("#")[1];
  check(!kept.includes(secret), "the page keeps a ref that it was told to forget");
  const { requests } = page.noted;
  const leaks = requests.filter(({ url, headers }) => JSON.stringify([url, headers]).includes(secret));
  check(!leaks.length, `the secret is in ${leaks.map(({ url }) => url)}`);
  const fresh = await stage.page();
  await fresh.goto(page.url());
  await fresh.getByRole("button", { name: "Show" }).waitFor();
  check(!(await fresh.locator(".share").count()), "somebody else sees the share");
  return "watching, labels, unpublished with its viewer cut off; nothing without a ref";
}

export const CASES = [
  {
    play: an_owner_sees_who_reads_and_ends_it,
    faults: [
      { file: "**/owner.js", from: "if (timer) return action(made);", to: "return action(made);" },
      { file: "**/owner.js", from: 'fetch(path,', to: 'fetch(path + "?" + encodeURIComponent(JSON.stringify(body)),' },
      { file: "**/owner.js", from: "this.#shares = this.#shares.filter", to: "this.#shares.filter" },
    ],
  },
];
