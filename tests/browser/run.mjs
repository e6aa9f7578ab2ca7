// A real browser looks at real shares: what it shows, while they grow, break and end.
//
//     node tests/browser/run.mjs --share PATH_TO_SHARE_BINARY
//
// README.md beside this file says what is needed and what is played.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import * as bench from "./bench/bench.mjs";
import * as ending from "./cases/ending.mjs";
import * as hostile from "./cases/hostile.mjs";
import * as live from "./cases/live.mjs";
import * as owner from "./cases/owner.mjs";
import * as privately from "./cases/private.mjs";
import * as reading from "./cases/reading.mjs";
import * as replay from "./cases/replay.mjs";
import * as pictures from "./cases/pictures.mjs";
import * as install from "./install.mjs";
import { Stage } from "./stage.mjs";

const SKIPPED = 77;
const CASE_MS = 120_000;
const LOG_BYTES = 2000;
const GROUPS = { live, replay, ending, hostile, private: privately, owner, reading };

const USAGE = `node tests/browser/run.mjs --share PATH [--only WORDS] [--faults] [--pictures FOLDER] [--bench] [--install FOLDER] [--assets FOLDER] [--keep]`;

function options() {
  const { values } = parseArgs({
    options: {
      share: { type: "string" },
      only: { type: "string", default: "" },
      faults: { type: "boolean", default: false },
      pictures: { type: "string" },
      bench: { type: "boolean", default: false },
      install: { type: "string" },
      assets: { type: "string" },
      keep: { type: "boolean", default: false },
    },
  });
  if (!values.share) throw new Error(`which \`share\`? ${USAGE}`);
  return { ...values, share: resolve(values.share) };
}

const nameOf = (group, play) => `${group}: ${play.name.replaceAll("_", " ")}`;

/** What is to be played: cases, or with `faults` each case once for each fault that it must find. */
function chosen({ only, faults }) {
  const cases = Object.entries(GROUPS).flatMap(([group, { CASES }]) => CASES.map((one) => ({ ...one, name: nameOf(group, one.play) })));
  const planted = (one) => one.faults.map((planted, index) => ({ ...one, planted, name: `${one.name}, with fault ${index + 1}` }));
  return (faults ? cases.flatMap(planted) : cases).filter(({ name }) => name.includes(only));
}

const within = (ms, doing) => {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`not done within ${ms / 1000} s`)), ms)));
  return Promise.race([doing, late]).finally(() => clearTimeout(timer));
};

/** Plays a case on a stage of its own; what it said, or the error. */
async function play(one, settings, folder) {
  const stage = new Stage({ ...settings, folder, planted: one.planted });
  try {
    const said = await within(CASE_MS, one.play(stage));
    return { said: (stage.isPlanted?.() ?? true) ? said : "there was nothing to plant it in" };
  } catch (error) {
    const isThere = stage.isPlanted?.() ?? true;
    return isThere ? { error } : { said: `there was nothing to plant it in (${error.message})` };
  } finally {
    await stage.end();
  }
}

/** The end of each server's log. */
function lastWords(folder) {
  const logs = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith("server.log"));
  return logs.map((log) => `-- the end of ${log}:\n${readFileSync(join(folder, log)).subarray(-LOG_BYTES)}`).join("\n");
}

/** Plays a case and tells of it; whether it came out as it should. */
async function told(one, settings, folder) {
  const began = Date.now();
  const { said, error } = await play(one, settings, folder);
  const holds = one.planted ? Boolean(error) : !error;
  const first = error && String(error.message).split("\n")[0].slice(0, 300);
  let words = said ?? first;
  if (one.planted) words = error ? `found: ${first}` : `was not found: ${said}`;
  console.log(`${holds ? "ok  " : "FAIL"} ${one.name} (${Math.round((Date.now() - began) / 1000)} s): ${words}`);
  if (!holds && error) console.log(`${error.stack}\n${lastWords(folder)}`);
  return holds;
}

async function playAll(settings, work, wanted) {
  const cases = chosen(wanted);
  if (!cases.length) throw new Error(`no case has \`${wanted.only}\` in its name`);
  let failed = 0;
  for (const [number, one] of cases.entries()) {
    const folder = join(work, String(number));
    if (!(await told(one, settings, folder))) failed += 1;
  }
  console.log(`${cases.length - failed} passed, ${failed} failed`);
  return failed;
}

async function main() {
  const wanted = options();
  const work = mkdtempSync(join(tmpdir(), "share-browser-"));
  let failed = 1;
  let browser;
  try {
    const { chromium, axe } = install.packages(wanted.install ?? join(work, "npm"));
    const asRoot = process.getuid() === 0 ? ["--no-sandbox"] : [];
    browser = await chromium.launch({ executablePath: install.browser(), args: asRoot });
    const settings = { browser, binary: wanted.share, axe, assets: wanted.assets };
    const doing = wanted.bench ? bench.run : wanted.pictures ? pictures.take : playAll;
    failed = (await doing(settings, work, wanted)) ?? 0;
  } catch (error) {
    if (!(error instanceof install.Away)) throw error;
    console.log(`skipped: ${error.message}`);
    failed = -1;
  } finally {
    await browser?.close();
    if (failed > 0 || wanted.keep) console.error(`logs: ${work}`);
    else rmSync(work, { recursive: true });
  }
  process.exit(failed < 0 ? SKIPPED : Math.min(failed, 1));
}

await main();
