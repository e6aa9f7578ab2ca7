import assert from "node:assert/strict"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { Bridge } from "../src/bridge.ts"

/** A bridge's listener that gives the answers in turn, and remembers what it was asked. */
async function standing(answers: [number, unknown][], look: (bridge: Bridge, asked: string[]) => Promise<void>) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`)
      const [status, value] = answers.shift() ?? [500, {}]
      response.writeHead(status, { connection: "close" }).end(JSON.stringify(value))
    })
  })
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
  const folder = await mkdtemp(join(tmpdir(), "share-plugin-"))
  try {
    await writeFile(join(folder, "token"), "secret\n")
    const { port } = server.address() as { port: number }
    await look(new Bridge(`http://127.0.0.1:${port}`, [join(folder, "none"), join(folder, "token")]), asked)
  } finally {
    await rm(folder, { recursive: true })
    await new Promise((closed) => server.close(closed))
  }
}

test("a request proves itself, and its answer says what to do", async () => {
  const wanted = [{ messageID: "m", partID: "p" }]
  const answers: [number, unknown][] = [[200, { wanted, refused: [] }], [404, {}], [410, {}], [400, {}], [503, {}], [401, {}]]
  await standing(answers, async (bridge, asked) => {
    assert.deepEqual(await bridge.events("s/1", "x", "[]"), { kind: "taken", wanted, refused: [] })
    assert.deepEqual(asked, ["POST /local/sessions/s%2F1/events?share=x Bearer secret []"])
    const kinds = []
    for (let count = 0; count < 5; count += 1) kinds.push((await bridge.events("s", "x", "[]")).kind)
    assert.deepEqual(kinds, ["gone", "gone", "refused", "away", "away"])
  })
})

test("drained is what the bridge says, and nothing without it", async () => {
  const answers: [number, unknown][] = [[200, { drained: true }], [200, { drained: false }], [404, {}]]
  await standing(answers, async (bridge, asked) => {
    assert.equal(await bridge.drained("s", "x", 70.4), true)
    assert.equal(asked[0], "POST /local/sessions/s/drained?share=x&deadline_ms=70 Bearer secret {}")
    assert.deepEqual([await bridge.drained("s", "x", 1), await bridge.drained("s", "x", 1)], [false, false])
  })
})

test("where nobody listens, or no token is, the bridge is away", async () => {
  const away = await new Bridge("http://127.0.0.1:1", ["/nowhere"]).events("s", "x", "[]")
  assert.equal(away.kind, "away")
})
