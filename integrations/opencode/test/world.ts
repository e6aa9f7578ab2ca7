// A bridge that does what a test says, and the feed before it.

import type { Answer } from "../src/bridge.ts"
import type { World } from "../src/feed.ts"
import type { Members } from "../src/opencode.ts"

export type Told = { id: string; type: string; properties: Members }

export const TAKEN: Answer = { kind: "taken", wanted: [], refused: [] }
export const AWAY: Answer = { kind: "away", error: "nobody there" }

/** Remembers each request; `answers` are given in order, and then all is taken. */
export class Double {
  readonly bodies: string[] = []
  readonly taken: Told[] = []
  readonly answers: Answer[] = []
  readonly logged: string[] = []
  waits = 0
  isDrained = true

  async events(_session: string, _share: string, body: string): Promise<Answer> {
    this.bodies.push(body)
    const answer = this.answers.shift() ?? TAKEN
    if (answer.kind === "taken") this.taken.push(...(JSON.parse(body) as Told[]))
    return answer
  }

  async drained(): Promise<boolean> {
    this.waits += 1
    return this.isDrained
  }

  world(change: Partial<World> = {}): World {
    return {
      bridge: this,
      timing: { gatherMs: 5, quietMs: 10, summaryMs: 60, retryMs: 1, retryMsMax: 2 },
      log: (_, message) => void this.logged.push(message),
      whole: async () => [],
      modelOf: async () => undefined,
      ...change,
    }
  }

  /** What was taken, without the ids. */
  said(): [string, Members][] {
    return this.taken.map(({ type, properties }) => [type, properties])
  }
}

/** In a second at most; a test ends before. */
export const soon = () => Date.now() + 1000

export const part = (text: string, more: Members = {}): Members => ({
  type: "message.part.updated",
  properties: { part: { id: "p", messageID: "m", sessionID: "s", type: "text", text, time: { start: 1 }, ...more } },
})

export const delta = (text: string): Members => ({
  type: "message.part.delta",
  properties: { sessionID: "s", messageID: "m", partID: "p", field: "text", delta: text },
})

export const session = (share?: string): Members => ({
  type: "session.updated",
  properties: { sessionID: "s", info: { id: "s", ...(share && { share: { url: `http://h/share/${share}` } }) } },
})
