// What a case plays on: a folder, a server, and pages of a browser that note what they should not do.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

import { Server } from "./share.mjs";

const VIEWPORT = { width: 1100, height: 800 };

export class Stage {
  #contexts = [];
  #servers = [];

  /** @param planted a fault in what the server gives @param assets a folder whose scripts take the place of the binary's */
  constructor({ browser, binary, folder, axe, assets = null, planted = null }) {
    Object.assign(this, { browser, binary, folder, axe, assets, planted });
  }

  async server() {
    const server = new Server(this.binary, join(this.folder, `server-${this.#servers.length}`));
    this.#servers.push(server);
    return server.start();
  }

  /** A page of a browser that nobody used before. */
  async page(options = {}) {
    const context = await this.browser.newContext({ viewport: VIEWPORT, colorScheme: "light", ...options });
    this.#contexts.push(context);
    if (this.assets) await context.route("**/assets/**", (route) => replace(route, this.assets));
    if (this.planted) this.isPlanted = await plant(context, this.planted, this.assets);
    const page = await context.newPage();
    page.noted = await watched(page, context);
    return page;
  }

  async end() {
    for (const context of this.#contexts) await context.close();
    for (const server of this.#servers) await server.stop("SIGKILL");
  }
}

const inFolder = (assets, url) => readFileSync(join(assets, basename(new URL(url).pathname)), "utf8");

async function replace(route, assets) {
  await route.fulfill({ response: await route.fetch(), body: inFolder(assets, route.request().url()) });
}

/** Puts a fault into what the server gives, and perhaps another; what is returned says whether that was given. */
async function plant(context, fault, assets) {
  const missing = new Set([fault, ...(fault.also ? [fault.also] : [])]);
  for (const file of new Set([...missing].map((one) => one.file))) {
    const here = [...missing].filter((one) => one.file === file);
    await context.route(file, async (route) => {
      const response = await route.fetch();
      const isAsset = new URL(route.request().url()).pathname.startsWith("/assets/");
      let body = assets && isAsset ? inFolder(assets, route.request().url()) : await response.text();
      for (const one of here) {
        if (body.includes(one.from)) missing.delete(one);
        body = body.replace(one.from, () => one.to);
      }
      await route.fulfill({ response, body, headers: { ...response.headers(), ...fault.headers } });
    });
  }
  return () => missing.size === 0;
}

/** Notes what runs, is asked for, or goes wrong. */
async function watched(page, context) {
  const noted = { requests: [], dialogs: [], errors: [], violations: [] };
  await context.exposeBinding("noteViolation", (_, words) => noted.violations.push(words));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.noteViolation(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
    });
  });
  page.on("request", (request) => noted.requests.push({ url: request.url(), body: request.postData(), headers: request.headers() }));
  page.on("dialog", (dialog) => {
    noted.dialogs.push(dialog.message());
    dialog.dismiss();
  });
  page.on("pageerror", (error) => noted.errors.push(String(error.stack ?? error)));
  return noted;
}
