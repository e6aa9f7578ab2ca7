import { Feed, type World } from "./feed.ts"
import { members, text, type Members, type OpencodeEvent } from "./opencode.ts"

/** What is known of a session. */
type Known = {
  /** The id of its share; `undefined`: it has none. */
  share: string | undefined
  feed: Feed | undefined
  /** What came before it was known, while opencode is asked. */
  held: OpencodeEvent[] | undefined
}

const SESSIONS_MAX = 512
const HELD_MAX = 1024

/** Follows all sessions of an instance of opencode, and feeds those that are shared. */
export class Watch {
  readonly #sessions = new Map<string, Known>()
  readonly #world: World
  readonly #ask: (session: string) => Promise<unknown>
  #isOver = false

  constructor(world: World, ask: (session: string) => Promise<unknown>) {
    this.#world = world
    this.#ask = ask
  }

  take(event: OpencodeEvent): void {
    const session = sessionOf(event)
    if (session === undefined || this.#isOver) return
    const info = event.type.startsWith("session.") ? members(event.properties["info"]) : undefined
    const known = info ? this.#learn(session, info) : this.#known(session)
    if (event.type === "session.deleted") {
      known.feed?.stop()
      this.#sessions.delete(session)
    } else if (known.held) {
      if (known.held.length < HELD_MAX) known.held.push(event)
    } else {
      known.feed?.take(event)
    }
  }

  /**
   * Waits until the bridge has everything of each session, and ends; whether it has. What waits still is
   * forgotten then: trying on would hold opencode for as long as the bridge is away.
   */
  async end(deadline: number): Promise<boolean> {
    const feeds = [...this.#sessions.values()].flatMap(({ feed }) => feed ?? [])
    const settled = await Promise.all(feeds.map((feed) => feed.settle(deadline)))
    this.#isOver = true
    feeds.forEach((feed) => feed.stop())
    return settled.every((is) => is)
  }

  /** What opencode says of a session. One that is shared only now is told whole. */
  #learn(session: string, info: Members): Known {
    const share = shareOf(info)
    const before = this.#sessions.get(session)
    if (before && !before.held && before.share === share) return before
    before?.feed?.stop()
    const feed = share === undefined ? undefined : new Feed(session, share, this.#world)
    const known: Known = { share, feed, held: undefined }
    this.#sessions.set(session, known)
    if (before && !before.held) feed?.tellWhole()
    before?.held?.forEach((event) => feed?.take(event))
    this.#forgetOldest()
    return known
  }

  /** What is known of a session; of an unknown one opencode is asked. */
  #known(session: string): Known {
    const known = this.#sessions.get(session)
    if (known) return known
    const asked: Known = { share: undefined, feed: undefined, held: [] }
    this.#sessions.set(session, asked)
    this.#ask(session)
      .then((info) => {
        if (this.#sessions.get(session) === asked) this.#learn(session, members(info) ?? {})
      })
      .catch((error) => {
        this.#world.log("warn", `opencode did not say whether a session is shared: ${error}`)
        if (this.#sessions.get(session) === asked) this.#sessions.delete(session)
      })
    return asked
  }

  #forgetOldest(): void {
    for (const [session, { feed, held }] of this.#sessions) {
      if (this.#sessions.size <= SESSIONS_MAX) return
      if (!held && (!feed || feed.isIdle)) this.#sessions.delete(session)
    }
  }
}

function sessionOf({ type, properties }: OpencodeEvent): string | undefined {
  const info = members(properties["info"])
  const own = type.startsWith("session.") ? text(info, "id") : text(info, "sessionID")
  return text(properties, "sessionID") ?? own ?? text(members(properties["part"]), "sessionID")
}

/** The share's id: what stands behind the last slash of its URL. */
function shareOf(session: Members): string | undefined {
  const url = text(members(session["share"]), "url")
  return url?.match(/\/share\/([A-Za-z0-9_-]+)$/)?.[1]
}
