import assert from "node:assert/strict"
import { test } from "node:test"
import { BATCH_EVENTS_MAX, Queue, QUEUE_ENTRIES_MAX } from "../src/queue.ts"

const grown = (at: number, delta: string) => ({ messageID: "m", partID: "p", field: "text", at, delta })
const whole = (text: string) => ({ type: "message.part.updated", properties: { part: { text } } })

test("deltas that follow each other are one, by bytes of UTF-8", () => {
  const queue = new Queue()
  queue.grow(grown(0, "ü"))
  queue.grow(grown(2, "a"))
  queue.grow(grown(3, "b"))
  assert.deepEqual(queue.cut(), [{ type: "message.part.delta", properties: grown(0, "üab") }])
  queue.grow(grown(4, "c"))
  assert.deepEqual(queue.cut(), [{ type: "message.part.delta", properties: grown(4, "c") }])
  assert.equal(queue.size, 0)
})

test("a part that waits grows itself, and a newer one makes what it grew by needless", () => {
  const queue = new Queue()
  queue.put("part/m/p", whole("ü"))
  queue.grow(grown(2, "a"))
  queue.grow(grown(3, "b"))
  assert.deepEqual(queue.cut(), [whole("üab")])
  queue.grow(grown(4, "c"))
  queue.put("part/m/p", whole("end"))
  assert.deepEqual(queue.cut(), [whole("end")])
})

test("the newest of each thing goes, in the order in which they were first touched", () => {
  const queue = new Queue()
  const said = (value: number) => ({ type: "t", properties: { value } })
  queue.put("a", said(1))
  queue.put("b", said(2))
  queue.put("a", said(3))
  assert.deepEqual(queue.cut(), [said(3), said(2)])
})

test("what is below a thing that goes is dropped, and nothing beside it", () => {
  const queue = new Queue()
  for (const key of ["part/m/a", "part/mm/a"]) queue.put(key, { type: key, properties: {} })
  queue.grow(grown(0, "x"))
  queue.drop("part/m")
  assert.deepEqual(queue.cut(), [{ type: "part/mm/a", properties: {} }])
})

test("a request has 256 events at most, and a queue is full with one entry too many", () => {
  const queue = new Queue()
  for (let count = 0; count < QUEUE_ENTRIES_MAX; count += 1) queue.put(`${count}`, { type: "t", properties: {} })
  assert.equal(queue.isFull, false)
  queue.put("more", { type: "t", properties: {} })
  assert.equal(queue.isFull, true)
  assert.equal(queue.cut().length, BATCH_EVENTS_MAX)
  queue.clear()
  assert.equal(queue.isFull, false)
  assert.deepEqual(queue.cut(), [])
})

test("a request has 1 MiB at most, or one event; a queue is full beyond 16 MiB", () => {
  const queue = new Queue()
  const large = (size: number) => ({ type: "t", properties: { text: "x".repeat(size) } })
  queue.put("a", large(2 << 20))
  queue.put("b", large(600 << 10))
  queue.put("c", large(600 << 10))
  assert.deepEqual([queue.cut().length, queue.cut().length, queue.cut().length], [1, 1, 1])
  queue.put("d", large(16 << 20))
  assert.equal(queue.isFull, true)
})
