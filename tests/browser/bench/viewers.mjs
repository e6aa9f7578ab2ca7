// Many viewers of one share: each gets all of it, in order, and soon.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { get } from "node:http";

import { check } from "../content.mjs";
import { put, session } from "../session.mjs";
import { until } from "../waiting.mjs";
import { now, quantile, spread } from "./figures.mjs";
import { stream, tokensIn } from "./tokens.mjs";

const VIEWERS = 200;
const SECONDS = 20;

/** A plain client of the live stream. */
class Viewer {
  ids = [];
  delays = new Map();
  #text = "";
  #hash = createHash("sha256");

  constructor(url, number) {
    // As from other machines, whose number of viewers is bounded each.
    const localAddress = `127.0.1.${(number % 250) + 1}`;
    this.opened = new Promise((resolve, reject) => {
      this.request = get(url, { localAddress, agent: false }, (answer) => {
        this.status = answer.statusCode;
        answer.setEncoding("utf8");
        answer.on("data", (text) => this.#take(text));
        resolve();
      });
      this.request.on("error", reject);
    });
  }

  #take(text) {
    this.#text += text;
    const events = this.#text.split("\n\n");
    this.#text = events.pop();
    for (const event of events) this.#event(event);
  }

  #event(event) {
    const id = /^id: .*:(\d+)$/m.exec(event)?.[1];
    if (!id || !/^event: view$/m.test(event)) return;
    const at = now();
    this.ids.push(Number(id));
    this.#hash.update(event);
    for (const [number, made] of tokensIn(event)) if (!this.delays.has(number)) this.delays.set(number, at - made);
  }

  end() {
    this.request.destroy();
    return this.#hash.digest("hex");
  }
}

const residentMb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

export async function viewers(stage) {
  const server = await stage.server();
  const share = await server.share("Viewers");
  await share.append(put(session("Viewers")));
  const before = residentMb(server.pid);
  const all = Array.from({ length: VIEWERS }, (_, number) => new Viewer(`${share.url}/live`, number));
  await Promise.all(all.map((viewer) => viewer.opened));
  const refused = all.filter(({ status }) => status !== 200);
  check(!refused.length, `${refused.length} viewers were answered ${refused[0]?.status}`);
  const opened = residentMb(server.pid);
  const writer = share.pushing();
  const count = await stream(writer, SECONDS);
  await writer.end();
  const cursor = 2 + count;
  await until(() => all.every(({ ids }) => ids.at(-1) >= cursor), "last op with all viewers").catch(() => {});
  const streamed = residentMb(server.pid);
  const hashes = new Set(all.map((viewer) => viewer.end()));
  const isAscending = ({ ids }) => ids.every((id, index) => index === 0 || id > ids[index - 1]);
  const delays = all.flatMap((viewer) => [...viewer.delays.values()]);
  const worst = all.map((viewer) => quantile([...viewer.delays.values()], 0.99));
  return {
    "viewers": all.length,
    "complete": all.filter(({ delays }) => delays.size === count).length,
    "in order": all.filter(isAscending).length,
    "different sequences of events": hashes.size,
    "from before the enqueue to a viewer": spread(delays),
    "the slowest viewer's p99": `${Math.max(...worst).toFixed(1)} ms`,
    "server's memory before, opened, after": [before, opened, streamed].map((mb) => `${mb.toFixed(0)} MB`).join(", "),
  };
}
