// What of opencode's plugin API is used here, as 1.18.33 has it (`@opencode-ai/plugin`). Events are read
// as they come: their types there lack some, `message.part.delta` among them.

/** An event of opencode's bus. */
export type OpencodeEvent = {
  type: string
  properties: Record<string, unknown>
}

export type Members = Record<string, unknown>

/** A call of opencode's own API, which the plugin's client answers within the process. */
type Call<Input> = (input: Input) => Promise<{ data?: unknown }>

export type Client = {
  session: {
    get: Call<{ path: { id: string } }>
    messages: Call<{ path: { id: string } }>
  }
  config: { providers: () => Promise<{ data?: unknown }> }
  app: { log: Call<{ body: { service: string; level: Level; message: string } }> }
}

export type Level = "debug" | "info" | "warn" | "error"

export type PluginInput = {
  client: Client
  worktree: string
}

export type Hooks = {
  config: (config: { enterprise?: { url?: string } }) => Promise<void>
  event: (input: { event: OpencodeEvent }) => Promise<void>
  dispose: () => Promise<void>
}

/** A member that is an object. */
export function members(of: unknown): Members | undefined {
  return typeof of === "object" && of !== null && !Array.isArray(of) ? (of as Members) : undefined
}

/** A member that is a string. */
export function text(of: Members | undefined, name: string): string | undefined {
  const value = of?.[name]
  return typeof value === "string" ? value : undefined
}
