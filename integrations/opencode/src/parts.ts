import { text, type Members } from "./opencode.ts"
import { partKey, type Change, type Growth } from "./queue.ts"
import { splitPair, utf8Length } from "./text.ts"

const PARTS_MAX = 64

type Open = {
  part: Members
  /** Per member that grew: its bytes of UTF-8, and half a character that waits for its other half. */
  grown: Map<string, { bytes: number; half: string }>
}

/** The parts that may grow yet, as they are now: the newest of them, so many at most. */
export class Parts {
  readonly #open = new Map<string, Open>()

  /** A part as opencode has it. */
  set(part: Members): void {
    const key = partKey(text(part, "messageID") ?? "", text(part, "id") ?? "")
    this.#open.delete(key)
    const isText = part["type"] === "text" || part["type"] === "reasoning"
    const time = part["time"] as Members | undefined
    if (!isText || time?.["end"] !== undefined) return
    for (const oldest of this.#open.keys()) {
      if (this.#open.size < PARTS_MAX) break
      this.#open.delete(oldest)
    }
    // Its own copy, which grows here.
    this.#open.set(key, { part: { ...part }, grown: new Map() })
  }

  /** Text came to a part; what is to be told of it, if the part is known. */
  grow(messageID: string, partID: string, field: string, delta: string): Growth | undefined {
    const open = this.#open.get(partKey(messageID, partID))
    const stands = text(open?.part, field)
    if (!open || stands === undefined) return undefined
    const grown = open.grown.get(field) ?? { bytes: utf8Length(stands), half: "" }
    const [whole, half] = splitPair(grown.half + delta)
    const at = grown.bytes
    open.part[field] = stands + whole
    open.grown.set(field, { bytes: at + utf8Length(whole), half })
    return whole === "" ? undefined : { messageID, partID, field, at, delta: whole }
  }

  /** A part as it is now, whole. */
  whole(messageID: string, partID: string): Change | undefined {
    const open = this.#open.get(partKey(messageID, partID))
    return open && { type: "message.part.updated", properties: { part: { ...open.part } } }
  }

  drop(messageID: string, partID?: string): void {
    const key = partKey(messageID, partID ?? "")
    for (const other of [...this.#open.keys()]) {
      if (partID === undefined ? other.startsWith(key) : other === key) this.#open.delete(other)
    }
  }
}
