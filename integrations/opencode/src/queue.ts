import { text, type Members } from "./opencode.ts"
import { json, utf8Length } from "./text.ts"

/** What the bridge is told, as its local endpoint takes it but for the id. */
export type Change = { type: string; properties: Members }

/** Text that came to a part; `at`: how many bytes of UTF-8 stood there before. */
export type Growth = { messageID: string; partID: string; field: string; at: number; delta: string }

type Entry = {
  change: Change
  bytes: number
  /** Bytes of UTF-8 of the member that grows, once one did. */
  grown?: number
}

export const QUEUE_BYTES_MAX = 16 << 20
export const QUEUE_ENTRIES_MAX = 4096
export const BATCH_BYTES_MAX = 1 << 20
export const BATCH_EVENTS_MAX = 256

/**
 * What waits to be told: the newest state of each thing, in the order in which they were first touched.
 * What a part grew by meanwhile is one growth, or goes into the part that waits.
 */
export class Queue {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  get size(): number {
    return this.#entries.size
  }

  /** Whether it holds more than it may: then it is to be emptied, and the whole session told. */
  get isFull(): boolean {
    return this.#bytes > QUEUE_BYTES_MAX || this.#entries.size > QUEUE_ENTRIES_MAX
  }

  /** The newest state of what `key` names. */
  put(key: string, change: Change): void {
    for (const grown of this.#growthsOf(key)) this.#take(grown)
    const before = this.#entries.get(key)
    const bytes = json(change.properties).length
    this.#bytes += bytes - (before?.bytes ?? 0)
    // A key that is there keeps its place.
    this.#entries.set(key, { change, bytes })
  }

  grow(growth: Growth): void {
    const key = partKey(growth.messageID, growth.partID)
    if (this.#growWhole(key, growth) || this.#growMore(key, growth)) return
    this.put(growthKey(key, growth.field), { type: "message.part.delta", properties: { ...growth } })
  }

  /** Forgets what is queued of a thing, and of what lies below it. */
  drop(key: string): void {
    for (const other of [...this.#entries.keys()]) {
      if (other === key || other.startsWith(`${key}/`) || other.startsWith(`${key}#`)) this.#take(other)
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  /** Takes what goes in one request: at least one change, if there is any. */
  cut(): Change[] {
    const batch: Change[] = []
    let bytes = 0
    for (const [key, entry] of this.#entries) {
      bytes += entry.bytes
      if (batch.length === BATCH_EVENTS_MAX || (batch.length > 0 && bytes > BATCH_BYTES_MAX)) break
      batch.push(entry.change)
      this.#take(key)
    }
    return batch
  }

  /** The part waits whole: the text goes into it. */
  #growWhole(key: string, growth: Growth): boolean {
    const entry = this.#entries.get(key)
    const part = entry?.change.properties["part"] as Members | undefined
    const stands = text(part, growth.field)
    if (!entry || !part || stands === undefined) return false
    const length = entry.grown ?? utf8Length(stands)
    if (length !== growth.at) return false
    part[growth.field] = stands + growth.delta
    this.#grew(entry, length, growth)
    return true
  }

  /** Other text of the part waits, and this one stands right behind it. */
  #growMore(key: string, growth: Growth): boolean {
    const entry = this.#entries.get(growthKey(key, growth.field))
    if (!entry) return false
    const waiting = entry.change.properties as Growth
    const end = entry.grown ?? waiting.at + utf8Length(waiting.delta)
    if (end !== growth.at) return false
    waiting.delta += growth.delta
    this.#grew(entry, end, growth)
    return true
  }

  #grew(entry: Entry, before: number, growth: Growth): void {
    const bytes = utf8Length(growth.delta)
    entry.grown = before + bytes
    entry.bytes += bytes
    this.#bytes += bytes
  }

  *#growthsOf(key: string): Iterable<string> {
    if (!key.startsWith("part/") || key.includes("#")) return
    for (const other of [...this.#entries.keys()]) if (other.startsWith(`${key}#`)) yield other
  }

  #take(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}

export function partKey(messageID: string, partID: string): string {
  return `part/${messageID}/${partID}`
}

function growthKey(key: string, field: string): string {
  return `${key}#${field}`
}
