// A steady stream of tokens, each of which says when it was made.

import { item, message, session, text } from "../session.mjs";
import { later } from "../waiting.mjs";
import { now } from "./figures.mjs";

const EVERY_MS = 33;
const WORDS_A_LINE = 20;
const WORDS_A_PART = 200;

/** Writes tokens for `seconds` through a writer's outbox; how many. */
export async function stream(writer, seconds) {
  writer.items(item(session("Tokens")), item(message(1)));
  const count = Math.round((seconds * 1000) / EVERY_MS);
  const begin = now();
  let words = "";
  for (let number = 0; number < count; number += 1) {
    if (number % WORDS_A_PART === 0) words = "";
    else if (number % WORDS_A_LINE === 0) words += "\n\n";
    words += `n${number}t${Math.round(now() * 10)} `;
    writer.items(item(text(Math.floor(number / WORDS_A_PART) + 1, words)));
    await later(Math.max(0, begin + (number + 1) * EVERY_MS - now()));
  }
  return count;
}

/** The tokens in a text: number, and time in ms. */
export const tokensIn = (words) => [...words.matchAll(/n(\d+)t(\d+)/g)].map(([, number, tenths]) => [Number(number), Number(tenths) / 10]);
