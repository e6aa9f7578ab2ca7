import assert from "node:assert/strict"
import { test } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import { Feed } from "../src/feed.ts"
import type { Members, OpencodeEvent } from "../src/opencode.ts"
import { AWAY, delta, Double, part, soon, TAKEN } from "./world.ts"

const event = (of: Members) => of as OpencodeEvent
const message = (info: Members): OpencodeEvent => ({ type: "message.updated", properties: { sessionID: "s", info } })
const diff: OpencodeEvent = { type: "session.diff", properties: { sessionID: "s", diff: [] } }

test("what happens is told in order, and settling waits for all of it", async () => {
  const bridge = new Double()
  const feed = new Feed("s", "x", bridge.world())
  feed.take(event(part("")))
  feed.take(event(delta("hel")))
  await sleep(20)
  feed.take(event(delta("lo")))
  feed.take(event({ type: "session.status", properties: { sessionID: "s" } }))
  assert.equal(await feed.settle(soon()), true)
  const told = bridge.said().map(([type, said]) => [type, (said["part"] as Members)?.["text"] ?? said["delta"]])
  assert.deepEqual(told, [["message.part.updated", "hel"], ["message.part.delta", "lo"]])
  assert.equal(bridge.waits, 1)
})

test("a batch is told as it is until it is taken, and each event has its own id", async () => {
  const bridge = new Double()
  bridge.answers.push(AWAY, AWAY, AWAY)
  const feed = new Feed("s", "x", bridge.world())
  feed.take(event(part("a")))
  await sleep(12)
  feed.take(event(part("b", { time: { end: 2 } })))
  assert.equal(await feed.settle(soon()), true)
  assert.equal(new Set(bridge.bodies).size, 2)
  assert.deepEqual(bridge.bodies.slice(0, 4), Array(4).fill(bridge.bodies[0]))
  const [first, second] = bridge.taken.map(({ id }) => id.split("/"))
  assert.deepEqual([first?.[0], first?.[1], second?.[1]], [second?.[0], "1", "2"])
  assert.deepEqual(bridge.logged, ["the bridge is away: nobody there", "the bridge is there again"])
})

test("a part that is wanted whole is told as it is by then", async () => {
  const bridge = new Double()
  bridge.answers.push(TAKEN, { kind: "taken", wanted: [{ messageID: "m", partID: "p" }], refused: [] })
  const feed = new Feed("s", "x", bridge.world())
  feed.take(event(part("a")))
  await sleep(20)
  feed.take(event(delta("b")))
  assert.equal(await feed.settle(soon()), true)
  assert.equal((bridge.taken.at(-1)?.properties["part"] as Members)["text"], "ab")
})

test("a share that is gone is told nothing more, and does not hold the end", async () => {
  const bridge = new Double()
  bridge.answers.push({ kind: "gone" })
  const feed = new Feed("s", "x", bridge.world())
  feed.take(event(part("a")))
  assert.equal(await feed.settle(soon()), true)
  feed.take(event(part("b")))
  await sleep(20)
  assert.deepEqual([bridge.bodies.length, bridge.waits], [1, 0])
})

test("what the bridge refuses is said and left, and what comes then is told", async () => {
  const bridge = new Double()
  bridge.answers.push({ kind: "refused", error: "400" })
  const feed = new Feed("s", "x", bridge.world())
  feed.take(event(part("a")))
  await sleep(20)
  feed.take(diff)
  feed.take(message({ id: "u", role: "user" }))
  assert.equal(await feed.settle(soon()), true)
  assert.deepEqual(bridge.said().map(([type]) => type), ["session.diff", "message.updated"])
  assert.deepEqual(bridge.logged, ["the bridge refused 1 events: 400"])
})

test("the end waits for the summary that follows a diff, but not for ever", async () => {
  const bridge = new Double()
  const feed = new Feed("s", "x", bridge.world())
  feed.take(diff)
  const settled = feed.settle(soon())
  await sleep(40)
  assert.equal(bridge.waits, 0)
  feed.take(message({ id: "u", role: "user" }))
  assert.equal(await settled, true)
  assert.equal(bridge.taken.at(-1)?.type, "message.updated")
  feed.take(diff)
  assert.equal(await feed.settle(soon()), true)
})

test("a bridge that stays away holds the end until its time is over", async () => {
  const bridge = new Double()
  bridge.answers.push(...Array(10_000).fill(AWAY))
  const feed = new Feed("s", "x", bridge.world())
  feed.take(event(part("a")))
  assert.equal(await feed.settle(Date.now() + 50), false)
  feed.stop()
})

test("the model of a user's message is told with it, and a whole session in pieces", async () => {
  const bridge = new Double()
  const model = { type: "model", data: [{ id: "1" }] }
  const large = { type: "part", data: "x".repeat(400 << 10) }
  const feed = new Feed("s", "x", bridge.world({ modelOf: async () => model, whole: async () => [large, large] }))
  feed.take(message({ id: "u", role: "user", model: { providerID: "p", modelID: "1" } }))
  assert.equal(await feed.settle(soon()), true)
  assert.deepEqual(bridge.said().at(-1), ["items", { items: [model] }])
  feed.tellWhole()
  assert.equal(await feed.settle(soon()), true)
  assert.deepEqual(bridge.said().slice(-2), Array(2).fill(["items", { items: [large] }]))
})

test("a session larger than what may wait is told whole while more happens", async () => {
  const bridge = new Double()
  const large = { type: "part", data: "x".repeat(400 << 10) }
  const feed = new Feed("s", "x", bridge.world({ whole: async () => Array(50).fill(large) }))
  feed.tellWhole()
  const settled = feed.settle(Date.now() + 20_000)
  await sleep(10)
  feed.take(event(part("a")))
  assert.equal(await settled, true)
  assert.deepEqual(bridge.said().map(([type]) => type), [...Array(50).fill("items"), "message.part.updated"])
})

test("more than may wait is forgotten, and the whole session told instead", async () => {
  const bridge = new Double()
  bridge.answers.push(AWAY, AWAY, AWAY)
  const item = { type: "session", data: {} }
  const feed = new Feed("s", "x", bridge.world({ whole: async () => [item] }))
  feed.take(event(part("a")))
  await sleep(8)
  feed.take(event(part("x".repeat(17 << 20))))
  assert.equal(await feed.settle(soon()), true)
  assert.deepEqual(bridge.said().at(-1), ["items", { items: [item] }])
  assert.ok(bridge.bodies.every((body) => body.length < 1 << 20))
})
