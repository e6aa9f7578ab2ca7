import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import type { Bridge } from "./bridge.ts"
import { members, text, type Level, type Members, type OpencodeEvent } from "./opencode.ts"
import { Parts } from "./parts.ts"
import { partKey, Queue, type Change } from "./queue.ts"
import type { Timing } from "./settings.ts"
import { json } from "./text.ts"
import type { Item } from "./whole.ts"

/** What a feed needs of the world. */
export type World = {
  bridge: Pick<Bridge, "events" | "drained">
  timing: Timing
  log: (level: Level, message: string) => void
  whole: (session: string) => Promise<Item[]>
  modelOf: (message: Members) => Promise<Item | undefined>
}

/** Bytes of items that go in one request, or one item. */
const ITEMS_BYTES = 512 << 10
const LOOK_MS = 20

/** Tells the bridge of one share of one session: everything that happens, in order, until it is taken. */
export class Feed {
  readonly session: string
  readonly share: string
  readonly #world: World
  readonly #queue = new Queue()
  readonly #parts = new Parts()
  /** With a count it names each event, so that the bridge takes it once. */
  readonly #instance = randomUUID()
  #seq = 0
  #isWholeDue = false
  #isOff = false
  #isHurried = false
  #sending: Promise<void> | undefined
  #looking = 0
  #last = Date.now()
  #isSummaryDue = false

  constructor(session: string, share: string, world: World) {
    this.session = session
    this.share = share
    this.#world = world
  }

  /** Whether nothing is left to be told. */
  get isIdle(): boolean {
    return this.#isOff || (this.#sending === undefined && this.#looking === 0)
  }

  /** Tells the whole session, as opencode has it when it is told. */
  tellWhole(): void {
    this.#isWholeDue = true
    this.#wake()
  }

  /** An event of the session. */
  take(event: OpencodeEvent): void {
    if (this.#isOff || !this.#enqueue(event.type, structuredClone(event.properties))) return
    this.#last = Date.now()
    if (this.#queue.isFull) {
      this.#queue.clear()
      this.#isWholeDue = true
    }
    this.#wake()
  }

  /** Stops: the share is nobody's business any more. */
  stop(): void {
    this.#isOff = true
    this.#queue.clear()
  }

  /** Waits until the bridge has everything, what is about to happen too; whether it has. */
  async settle(deadline: number): Promise<boolean> {
    this.#isHurried = true
    for (;;) {
      if (this.#isOff) return true
      const now = Date.now()
      const left = deadline - now
      if (left <= 0) return false
      const { quietMs, summaryMs } = this.#world.timing
      const isQuiet = now - this.#last >= (this.#isSummaryDue ? summaryMs : quietMs)
      if (isQuiet && this.isIdle) return this.#world.bridge.drained(this.session, this.share, left)
      await sleep(Math.min(LOOK_MS, left))
    }
  }

  /** Whether the event says something of the share. */
  #enqueue(type: string, properties: Members): boolean {
    const change = { type, properties }
    const [messageID, partID] = [text(properties, "messageID") ?? "", text(properties, "partID") ?? ""]
    switch (type) {
      case "session.created":
      case "session.updated":
        this.#queue.put("session", change)
        return true
      case "session.diff":
        this.#queue.put("session_diff", change)
        this.#isSummaryDue = true
        return true
      case "message.updated":
        return this.#enqueueMessage(members(properties["info"]) ?? {}, change)
      case "message.part.updated": {
        const part = members(properties["part"]) ?? {}
        this.#parts.set(part)
        this.#queue.put(partKey(text(part, "messageID") ?? "", text(part, "id") ?? ""), change)
        return true
      }
      case "message.part.delta": {
        const [field, delta] = [text(properties, "field"), text(properties, "delta")]
        const growth = this.#parts.grow(messageID, partID, field ?? "", delta ?? "")
        if (growth) this.#queue.grow(growth)
        return growth !== undefined
      }
      case "message.removed":
        this.#parts.drop(messageID)
        this.#queue.drop(`part/${messageID}`)
        this.#queue.put(`message/${messageID}`, change)
        return true
      case "message.part.removed":
        this.#parts.drop(messageID, partID)
        this.#queue.put(partKey(messageID, partID), change)
        return true
      default:
        return false
    }
  }

  #enqueueMessage(info: Members, change: Change): boolean {
    this.#queue.put(`message/${text(info, "id") ?? ""}`, change)
    if (info["role"] === "user") {
      this.#isSummaryDue = false
      this.#look(async () => {
        const model = await this.#world.modelOf(info)
        if (model) this.#queue.put(`items/model/${json(info["model"])}`, items([model]))
      })
    }
    return true
  }

  /** Asks opencode itself, beside what happens. */
  #look(ask: () => Promise<void>): void {
    this.#looking += 1
    ask()
      .catch((error) => this.#world.log("warn", `opencode did not say what was asked: ${error}`))
      .finally(() => {
        this.#looking -= 1
        this.#wake()
      })
  }

  #wake(): void {
    if (this.#isOff || this.#sending) return
    if (this.#queue.size === 0 && !this.#isWholeDue) return
    this.#sending = this.#send()
      .catch((error) => this.#world.log("error", `telling the bridge failed: ${error}`))
      .finally(() => {
        this.#sending = undefined
        this.#wake()
      })
  }

  async #send(): Promise<void> {
    if (!this.#isHurried) await sleep(this.#world.timing.gatherMs)
    if (this.#isWholeDue) await this.#deliverWhole()
    while (this.#queue.size > 0 && !this.#isOff) {
      await this.#deliver(this.#queue.cut())
      if (this.#queue.size > 0 && !this.#isHurried) await sleep(this.#world.timing.gatherMs)
    }
  }

  /** Tells the whole session before what waits, which is as new or newer. */
  async #deliverWhole(): Promise<void> {
    this.#isWholeDue = false
    let [some, bytes] = [[] as Item[], 0]
    for (const item of await this.#world.whole(this.session)) {
      const more = json(item).length
      if (some.length > 0 && bytes + more > ITEMS_BYTES) {
        await this.#deliver([items(some)])
        ;[some, bytes] = [[], 0]
      }
      some.push(item)
      bytes += more
    }
    if (some.length > 0) await this.#deliver([items(some)])
  }

  /** Tells one batch until it is taken: what it says never changes, so that a repeat is one. */
  async #deliver(batch: Change[]): Promise<void> {
    const body = json(batch.map((change) => ({ id: `${this.#instance}/${(this.#seq += 1)}`, ...change })))
    for (let tries = 1; !this.#isOff; tries += 1) {
      const answer = await this.#world.bridge.events(this.session, this.share, body)
      switch (answer.kind) {
        case "taken":
          if (tries > 2) this.#world.log("info", "the bridge is there again")
          answer.refused.forEach(({ error }) => this.#world.log("warn", `the share has no place for an event: ${error}`))
          answer.wanted.forEach(({ messageID, partID }) => this.#enqueueWanted(messageID, partID))
          return
        case "gone":
          return this.stop()
        case "refused":
          this.#world.log("error", `the bridge refused ${batch.length} events: ${answer.error}`)
          return
        case "away":
          if (tries === 2) this.#world.log("warn", `the bridge is away: ${answer.error}`)
          await sleep(backoff(tries, this.#world.timing))
      }
    }
  }

  #enqueueWanted(messageID: string, partID: string): void {
    const whole = this.#parts.whole(messageID, partID)
    if (whole) this.#queue.put(partKey(messageID, partID), whole)
  }
}

function items(all: Item[]): Change {
  return { type: "items", properties: { items: all } }
}

/** Exponential, capped, half of it at random. */
function backoff(tries: number, { retryMs, retryMsMax }: Timing): number {
  const most = Math.min(retryMsMax, retryMs * 2 ** Math.min(tries - 1, 16))
  return most / 2 + (Math.random() * most) / 2
}
