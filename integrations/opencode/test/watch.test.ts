import assert from "node:assert/strict"
import { test } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import type { Members, OpencodeEvent } from "../src/opencode.ts"
import { isProxied, localUrl, tokenFiles } from "../src/settings.ts"
import { Watch } from "../src/watch.ts"
import { Models, wholeSession } from "../src/whole.ts"
import { AWAY, Double, part, session, soon } from "./world.ts"

const event = (of: Members) => of as OpencodeEvent
const unasked = async () => assert.fail("opencode was asked")

test("a session without a share is nobody's business; one that is shared is told whole", async () => {
  const bridge = new Double()
  const watch = new Watch(bridge.world({ whole: async () => [{ type: "session", data: 1 }] }), unasked)
  watch.take(event(session()))
  watch.take(event(part("a")))
  await sleep(20)
  assert.equal(bridge.bodies.length, 0)
  watch.take(event(session("x")))
  watch.take(event(part("b")))
  assert.equal(await watch.end(soon()), true)
  assert.deepEqual(bridge.said().map(([type]) => type).sort(), ["items", "message.part.updated", "session.updated"])
})

test("of a session that is not known opencode is asked, and what came meanwhile is told", async () => {
  const bridge = new Double()
  const asked: string[] = []
  const watch = new Watch(bridge.world(), async (id) => {
    asked.push(id)
    return { id, share: { url: "http://h/share/x" } }
  })
  watch.take(event(part("a")))
  watch.take(event(part("b")))
  await new Promise(setImmediate)
  assert.equal(await watch.end(soon()), true)
  assert.deepEqual(asked, ["s"])
  assert.equal((bridge.taken[0]?.properties["part"] as Members)["text"], "b")
})

test("a session that is deleted, or shared anew, is told of the old share no more", async () => {
  const bridge = new Double()
  const shares: string[] = []
  const world = bridge.world()
  world.bridge = {
    events: (id, share, body) => (shares.push(share), bridge.events(id, share, body)),
    drained: async () => true,
  }
  const watch = new Watch(world, unasked)
  watch.take(event(session("x")))
  watch.take(event(session("y")))
  await sleep(20)
  assert.deepEqual(new Set(shares), new Set(["y"]))
  const before = shares.length
  watch.take(event(part("a")))
  watch.take({ type: "session.deleted", properties: { sessionID: "s", info: { id: "s" } } })
  assert.equal(await watch.end(soon()), true)
  assert.equal(shares.length, before)
})

test("with a bridge that stays away, the end comes when its time is over, and nothing is tried after it", async () => {
  const bridge = new Double()
  bridge.answers.push(...Array(10_000).fill(AWAY))
  const watch = new Watch(bridge.world(), unasked)
  watch.take(event(session("x")))
  watch.take(event(part("a")))
  assert.equal(await watch.end(Date.now() + 50), false)
  await sleep(20)
  const tries = bridge.bodies.length
  watch.take({ type: "message.removed", properties: { sessionID: "another" } })
  await sleep(50)
  assert.ok(tries > 1)
  assert.equal(bridge.bodies.length, tries)
})

test("a whole session is its items, each model once for each message that used it", async () => {
  let asked = 0
  const model = { id: "1", name: "One" }
  const user = { id: "u", role: "user", model: { providerID: "p", modelID: "1" } }
  const client = {
    session: {
      get: async () => ({ data: { id: "s" } }),
      messages: async () => ({ data: [{ info: user, parts: [{ id: "a" }] }, { info: { id: "m" }, parts: [] }] }),
    },
    config: { providers: async () => ((asked += 1), { data: { providers: [{ id: "p", models: { 1: model } }] } }) },
    app: { log: async () => ({}) },
  }
  const models = new Models(client)
  const items = await wholeSession(client, models, "s")
  assert.deepEqual(items, [
    { type: "session", data: { id: "s" } },
    { type: "message", data: user },
    { type: "message", data: { id: "m" } },
    { type: "part", data: { id: "a" } },
    { type: "model", data: [model] },
  ])
  assert.equal(await models.of({ role: "assistant" }), undefined)
  assert.equal(asked, 1)
})

test("the token goes to this machine alone", () => {
  for (const url of ["http://127.0.0.1:7422", "http://localhost:1/", "http://[::1]:1"]) {
    assert.equal(localUrl(url), new URL(url).origin)
  }
  for (const url of [undefined, "", "x", "https://opncd.ai", "http://127.0.0.1.evil.example", "http://10.0.0.1", "file:///x"]) {
    assert.equal(localUrl(url), undefined)
  }
})

test("the token goes by no proxy", () => {
  const url = "http://127.0.0.1:7422"
  for (const env of [{}, { http_proxy: "", HTTPS_PROXY: "x" }, { HTTP_PROXY: "x", NO_PROXY: "a, 127.0.0.1" }, { http_proxy: "x", no_proxy: "*" }]) {
    assert.equal(isProxied(url, env), false)
  }
  for (const env of [{ http_proxy: "x" }, { HTTP_PROXY: "x", NO_PROXY: "localhost" }]) assert.equal(isProxied(url, env), true)
})

test("the token is where it is said to be, else where the bridge is installed, else in the worktree", () => {
  assert.deepEqual(tokenFiles({ token: "/t" }, "/w", { SHARE_PLUGIN_TOKEN: "/e" }), ["/t"])
  assert.deepEqual(tokenFiles({}, "/w", { SHARE_PLUGIN_TOKEN: "/e" }), ["/e"])
  assert.deepEqual(tokenFiles({}, "/w", { XDG_DATA_HOME: "/d" }), [
    "/d/share-sessions/bridge/state/bridge/plugin.token",
    "/w/.opencode/state/bridge/plugin.token",
  ])
})
