// Text as it goes over the wire: UTF-8, in which half a surrogate pair has no place.

const encoder = new TextEncoder()

/** Bytes of UTF-8. */
export function utf8Length(text: string): number {
  return encoder.encode(text).length
}

/** Text without a first half of a surrogate pair at its end, and that half, which waits for the other one. */
export function splitPair(text: string): [whole: string, half: string] {
  const last = text.charCodeAt(text.length - 1)
  const at = last >= 0xd800 && last <= 0xdbff ? text.length - 1 : text.length
  return [text.slice(0, at).toWellFormed(), text.slice(at)]
}

/** JSON that every reader takes: opencode cuts texts where it wants to, also within a character. */
export function json(value: unknown): string {
  return JSON.stringify(value, (_, member) => (typeof member === "string" ? member.toWellFormed() : member))
}
