// Waits: each for a state, each with a bound.

const POLL_MS = 25;

export const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What `look()` gives as soon as it is true; an error with the last of it after `ms`. */
export async function until(look, what, ms = 20_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`no ${what} within ${ms / 1000} s; last seen: ${JSON.stringify(seen)}`);
    await later(POLL_MS);
  }
}
