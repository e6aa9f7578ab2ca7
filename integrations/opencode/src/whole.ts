import { members, text, type Client, type Members } from "./opencode.ts"

/** An item as opencode's own syncs have it. */
export type Item = { type: string; data: unknown }

/** The models that opencode knows, asked for once. */
export class Models {
  readonly #client: Client
  #all: Promise<Map<string, unknown>> | undefined

  constructor(client: Client) {
    this.#client = client
  }

  /** The model that a user's message names. */
  async of(message: Members): Promise<Item | undefined> {
    const model = members(message["model"])
    const name = nameOf(text(model, "providerID"), text(model, "modelID"))
    if (text(message, "role") !== "user" || name === undefined) return undefined
    this.#all ??= this.#ask()
    const found = (await this.#all).get(name)
    return found === undefined ? undefined : { type: "model", data: [found] }
  }

  async #ask(): Promise<Map<string, unknown>> {
    const { data } = await this.#client.config.providers()
    const all = new Map<string, unknown>()
    for (const provider of arrayOf(members(data)?.["providers"])) {
      for (const [id, model] of Object.entries(members(provider["models"]) ?? {})) {
        const name = nameOf(text(provider, "id"), id)
        if (name !== undefined) all.set(name, model)
      }
    }
    return all
  }
}

/** The whole session, as opencode has it now. */
export async function wholeSession(client: Client, models: Models, id: string): Promise<Item[]> {
  const path = { id }
  const [session, messages] = await Promise.all([client.session.get({ path }), client.session.messages({ path })])
  const all = arrayOf(messages.data).map((one) => ({ info: members(one["info"]) ?? {}, parts: arrayOf(one["parts"]) }))
  const used = await Promise.all(all.map(({ info }) => models.of(info)))
  return [
    ...(session.data ? [{ type: "session", data: session.data }] : []),
    ...all.map(({ info }) => ({ type: "message", data: info })),
    ...all.flatMap(({ parts }) => parts.map((data) => ({ type: "part", data }))),
    ...used.filter((model) => model !== undefined),
  ]
}

function nameOf(provider: string | undefined, model: string | undefined): string | undefined {
  return provider !== undefined && model !== undefined ? `${provider}/${model}` : undefined
}

function arrayOf(value: unknown): Members[] {
  return Array.isArray(value) ? value.map(members).filter((one) => one !== undefined) : []
}
