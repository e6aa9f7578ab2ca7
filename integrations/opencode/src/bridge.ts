import { readFile } from "node:fs/promises"
import { members } from "./opencode.ts"

/** What the bridge said. */
export type Answer =
  | { kind: "taken"; wanted: { messageID: string; partID: string }[]; refused: { index: number; error: string }[] }
  /** Nobody shares this session there, or not any more. */
  | { kind: "gone" }
  /** The request will never be taken: `error` says why. */
  | { kind: "refused"; error: string }
  /** Nobody answered, or not now: the same again later. */
  | { kind: "away"; error: string }

const REQUEST_MS_MAX = 15_000
/** Beyond the time that the bridge itself waits. */
const ANSWER_MS = 2_000

/** The bridge's local endpoint. */
export class Bridge {
  readonly #url: string
  readonly #tokenFiles: string[]
  #token: string | undefined

  constructor(url: string, tokenFiles: string[]) {
    this.#url = url
    this.#tokenFiles = tokenFiles
  }

  /** Tells events; `body`: the JSON array. Durable at the bridge when they are taken. */
  async events(session: string, share: string, body: string): Promise<Answer> {
    const answer = await this.#post(`${path(session)}/events?share=${encodeURIComponent(share)}`, body, REQUEST_MS_MAX)
    if (answer.kind !== "taken") return answer
    const { wanted, refused } = answer.said
    return { kind: "taken", wanted: list(wanted), refused: list(refused) }
  }

  /** Waits until all that was told of a session is durable at the bridge. */
  async drained(session: string, share: string, waitMs: number): Promise<boolean> {
    const wait = Math.max(1, Math.min(Math.round(waitMs), 60_000))
    const query = `share=${encodeURIComponent(share)}&deadline_ms=${wait}`
    const answer = await this.#post(`${path(session)}/drained?${query}`, "{}", wait + ANSWER_MS)
    return answer.kind === "taken" && answer.said["drained"] === true
  }

  async #post(
    path: string,
    body: string,
    waitMs: number,
  ): Promise<{ kind: "taken"; said: Record<string, unknown> } | Exclude<Answer, { kind: "taken" }>> {
    try {
      this.#token ??= await firstOf(this.#tokenFiles)
      if (this.#token === undefined) {
        return { kind: "away", error: `no token of the bridge in ${this.#tokenFiles.join(", ")}` }
      }
      const answer = await fetch(this.#url + path, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${this.#token}` },
        body,
        redirect: "error",
        signal: AbortSignal.timeout(waitMs),
      })
      return this.#understood(answer.status, await answer.text())
    } catch (error) {
      return { kind: "away", error: String(error) }
    }
  }

  #understood(status: number, text: string) {
    if (status === 200) return { kind: "taken", said: members(JSON.parse(text)) ?? {} } as const
    if (status === 404 || status === 410) return { kind: "gone" } as const
    const error = `${status}: ${text.slice(0, 300)}`
    if (status === 401) {
      // Another bridge may stand there by now, with another token.
      this.#token = undefined
      return { kind: "away", error } as const
    }
    const isForNow = status >= 500 || status === 408 || status === 429
    return isForNow && status !== 501 ? ({ kind: "away", error } as const) : ({ kind: "refused", error } as const)
  }
}

function path(session: string): string {
  return `/local/sessions/${encodeURIComponent(session)}`
}

function list<T>(value: unknown): T[] {
  return Array.isArray(value) ? value : []
}

/** The text of the first of the files that can be read. */
async function firstOf(files: string[]): Promise<string | undefined> {
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => undefined)
    if (text !== undefined) return text.trim()
  }
  return undefined
}
