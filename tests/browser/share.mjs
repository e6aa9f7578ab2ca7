// `share`: a server that is killed and started again where it was, and shares that are used by its commands as people use them.

import { spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { until } from "./waiting.mjs";

const COMMAND_MS = 60_000;
// Neither refs nor settings of whoever runs this.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SHARE_")));

const ended = (child) => child.exitCode !== null || child.signalCode !== null;
const exit = (child) => (ended(child) ? Promise.resolve() : new Promise((resolve) => child.once("exit", resolve)));

/** `share serve`. `start` after an end takes the same ports and the same folder. */
export class Server {
  #listen = "127.0.0.1:0";
  #http = "127.0.0.1:0";

  constructor(binary, folder) {
    Object.assign(this, { binary, folder, log: join(folder, "server.log"), shares: 0 });
    mkdirSync(folder, { recursive: true });
    writeFileSync(this.log, "");
  }

  async start() {
    const begin = statSync(this.log).size;
    const log = openSync(this.log, "a");
    const data = ["--data", join(this.folder, "data"), "--listen", this.#listen, "--http", this.#http];
    this.child = spawn(this.binary, ["serve", ...data], { env: environment, stdio: ["ignore", log, log] });
    this.#listen = await this.#printed(/^listening on (\S+)$/m, begin);
    this.url = await this.#printed(/^http on (http:\/\/\S+)$/m, begin);
    this.#http = this.url.replace("http://", "");
    return this;
  }

  get pid() {
    return this.child.pid;
  }

  /** Ends the process, and sees it gone. */
  async stop(signal = "SIGTERM") {
    if (!this.child) return;
    this.child.kill(signal);
    await exit(this.child);
  }

  /** A new share with a public address. */
  async share(title = "") {
    const folder = join(this.folder, `share-${(this.shares += 1)}`);
    mkdirSync(folder);
    const factory = `@${join(this.folder, "data", "factory.ref")}`;
    const registry = ["--registry", join(folder, "registry.sqlite")];
    const share = new Share(this, folder, registry);
    share.ref = (await share.run(["create", "--factory", factory, "--title", title])).trim();
    writeFileSync(join(folder, "owner.ref"), share.ref, { mode: 0o600 });
    share.slug = (await share.run(["publish", "@owner.ref", ...registry])).trim();
    share.url = `${this.url}/share/${share.slug}`;
    return share;
  }

  #printed(pattern, begin) {
    const look = () => {
      if (ended(this.child)) throw new Error(`\`share serve\` ended; see ${this.log}`);
      return pattern.exec(readFileSync(this.log).subarray(begin).toString())?.[1];
    };
    return until(look, `line with ${pattern} in ${this.log}`, 30_000);
  }
}

/** A share, its owner's ref, and an outbox of its own. */
export class Share {
  constructor(server, folder, registry) {
    Object.assign(this, { server, folder, registry });
  }

  /** What a command says. */
  async run(args, input = "", allowed = [0]) {
    const child = spawn(this.server.binary, args, { cwd: this.folder, env: environment, timeout: COMMAND_MS });
    let [said, log] = ["", ""];
    child.stdout.on("data", (bytes) => (said += bytes));
    child.stderr.on("data", (bytes) => (log += bytes));
    // A command that reads nothing may be gone before it is given something.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    await new Promise((resolve) => child.once("close", resolve));
    if (!allowed.includes(child.exitCode)) throw new Error(`\`share ${args[0]}\` ended with ${child.exitCode}: ${log.slice(-1000)}`);
    return said;
  }

  append(...ops) {
    return this.run(["append", "@owner.ref"], ops.map((op) => JSON.stringify(op)).join("\n"));
  }

  push(recording) {
    return this.run(["push", "@owner.ref", recording]);
  }

  /** A long-lived writer: each line of a recording that it is given is durable in its outbox, then sent. */
  pushing() {
    return new Pushing(spawn(this.server.binary, ["push", "@owner.ref", "-", "--retry-max-ms", "200"], {
      cwd: this.folder,
      env: environment,
      stdio: ["pipe", "pipe", "inherit"],
    }));
  }

  unpublish() {
    return this.run(["unpublish", "@owner.ref"]);
  }

  /** A ref that may only read, and its grant's id. */
  async reader() {
    const said = await this.run(["grant", "@owner.ref", "--rights", "read", "--json", ...this.registry]);
    return JSON.parse(said);
  }

  revoke(grant) {
    return this.run(["revoke", "@owner.ref", "--grant", grant]);
  }

  /** The share's items, as its public address gives them. */
  async items() {
    const answer = await fetch(`${this.server.url}/api/share/${this.slug}/data`);
    return answer.json();
  }
}

class Pushing {
  constructor(child) {
    this.child = child;
    // That it ended early is told by its exit code.
    child.stdin.on("error", () => {});
  }

  items(...items) {
    const line = { t_ms: 0, method: "POST", path: "/api/share/00000000/sync", body: { secret: "", data: items } };
    this.child.stdin.write(`${JSON.stringify(line)}\n`);
  }

  /** Everything was applied. */
  async end() {
    this.child.stdin.end();
    await exit(this.child);
    if (this.child.exitCode !== 0) throw new Error(`\`share push\` ended with ${this.child.exitCode}`);
  }

  kill() {
    this.child.kill("SIGKILL");
  }
}
