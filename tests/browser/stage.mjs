// What a case plays on: a folder, a server, and pages of a browser that note what they should not do.

import { join } from "node:path";

import { Server } from "./share.mjs";

const VIEWPORT = { width: 1100, height: 800 };

export class Stage {
  #contexts = [];
  #servers = [];

  /** @param planted a fault in an asset: `{file, from, to}` */
  constructor({ browser, binary, folder, axe, planted = null, screenshots = null }) {
    Object.assign(this, { browser, binary, folder, axe, planted, screenshots });
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
    if (this.planted) await plant(context, this.planted);
    const page = await context.newPage();
    page.noted = await watched(page, context);
    return page;
  }

  async end() {
    for (const context of this.#contexts) await context.close();
    for (const server of this.#servers) await server.stop("SIGKILL");
  }
}

/** Puts a fault into what the server gives. */
async function plant(context, { file, from, to, headers }) {
  await context.route(file, async (route) => {
    const response = await route.fetch();
    const body = await response.text();
    if (from !== undefined && !body.includes(from)) throw new Error(`nothing to plant a fault at in ${route.request().url()}: ${from}`);
    const changed = from === undefined ? body : body.replace(from, () => to);
    await route.fulfill({ response, body: changed, headers: { ...response.headers(), ...headers } });
  });
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
