import assert from "node:assert/strict"
import { test } from "node:test"
import { Parts } from "../src/parts.ts"
import { json, splitPair, utf8Length } from "../src/text.ts"

const part = (id: string, more = {}) => ({ id, messageID: "m", type: "text", text: "", ...more })

test("a delta has its place in bytes, and half a character waits for the other half", () => {
  const parts = new Parts()
  parts.set(part("p", { text: "ü" }))
  assert.equal(parts.grow("m", "p", "text", "a\ud83e")?.delta, "a")
  assert.deepEqual(parts.grow("m", "p", "text", "\udd80b"), {
    messageID: "m", partID: "p", field: "text", at: 3, delta: "🦀b",
  })
  assert.equal(parts.grow("m", "p", "text", "\ud83e"), undefined)
  assert.deepEqual(parts.whole("m", "p")?.properties, { part: part("p", { text: "üa🦀b" }) })
})

test("only the text of a part that is known and has not ended grows", () => {
  const parts = new Parts()
  parts.set(part("p", { time: { end: 1 } }))
  parts.set(part("tool", { type: "tool" }))
  for (const id of ["p", "tool", "unknown"]) assert.equal(parts.grow("m", id, "text", "a"), undefined)
  parts.set(part("q"))
  assert.equal(parts.grow("m", "q", "other", "a"), undefined)
  parts.drop("m")
  assert.equal(parts.grow("m", "q", "text", "a"), undefined)
})

test("of 65 parts that grow the oldest is forgotten", () => {
  const parts = new Parts()
  for (let count = 0; count < 65; count += 1) parts.set(part(`${count}`))
  assert.equal(parts.whole("m", "0"), undefined)
  assert.notEqual(parts.whole("m", "1"), undefined)
})

test("what goes out is well-formed, whatever opencode cut", () => {
  assert.equal(json({ a: ["x\ud83e", "\\ud83e"] }), '{"a":["x\ufffd","\\\\ud83e"]}')
  assert.deepEqual(splitPair("\udd80a"), ["\ufffda", ""])
  assert.equal(utf8Length("ü🦀"), 6)
})
