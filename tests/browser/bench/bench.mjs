// Figures of the page: how late what was enqueued is seen, how long opening takes, how long sessions scroll, and what many viewers cost.

import { join } from "node:path";

import { Stage } from "../stage.mjs";
import { latency } from "./latency.mjs";
import { opening } from "./opening.mjs";
import { scrolling } from "./scrolling.mjs";
import { viewers } from "./viewers.mjs";

const MEASURES = { latency, opening, scrolling, viewers };

/** Measures all, or what is named, and prints it. */
export async function run(settings, work, { only }) {
  for (const [name, measure] of Object.entries(MEASURES)) {
    if (!name.includes(only)) continue;
    const stage = new Stage({ ...settings, folder: join(work, name) });
    try {
      for (const [what, figure] of Object.entries(await measure(stage))) console.log(`${name.padEnd(10)} ${what.padEnd(44)} ${figure}`);
    } finally {
      await stage.end();
    }
  }
  return 0;
}
