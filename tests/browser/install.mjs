// Brings what drives the browser from the npm registry, and finds Debian's Chromium. Nothing runs at installation.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join, resolve } from "node:path";

const PACKAGES = { "playwright-core": "1.65.1", "axe-core": "4.14.1" };
const BROWSERS = ["chromium", "chromium-browser"];
const INSTALL_MS = 240_000;

/** There is no browser to be had here, or nothing that drives it. */
export class Away extends Error {}

/** The packages, installed into `folder` unless they are there. */
export function packages(folder) {
  mkdirSync(folder, { recursive: true });
  const require = createRequire(join(resolve(folder), "from-here.js"));
  const isThere = ([name, version]) => {
    const manifest = join(folder, "node_modules", name, "package.json");
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version;
  };
  if (!Object.entries(PACKAGES).every(isThere)) install(folder);
  return { ...require("playwright-core"), axe: readFileSync(require.resolve("axe-core/axe.min.js"), "utf8") };
}

function install(folder) {
  const wanted = Object.entries(PACKAGES).map(([name, version]) => `${name}@${version}`);
  const flags = ["--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"];
  const ended = spawnSync("npm", ["install", ...flags, ...wanted], { encoding: "utf8", timeout: INSTALL_MS });
  if (ended.error) throw new Away(`npm can't be run: ${ended.error.message}`);
  if (ended.status !== 0) throw new Away(`npm can't install ${wanted.join(" and ")}: ${ended.stderr.slice(-500)}`);
}

/** The path of a browser. */
export function browser() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = folders.flatMap((folder) => BROWSERS.map((name) => join(folder, name)));
  const found = paths.find(isExecutable);
  if (!found) throw new Away(`there is no ${BROWSERS.join(" or ")} here`);
  return found;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
