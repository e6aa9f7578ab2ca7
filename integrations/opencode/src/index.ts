import { Bridge } from "./bridge.ts"
import type { Hooks, Level, PluginInput } from "./opencode.ts"
import { EXIT_WAIT_MS, isProxied, localUrl, TIMING, tokenFiles, type Options } from "./settings.ts"
import { Watch } from "./watch.ts"
import { Models, wholeSession } from "./whole.ts"

export type { Options } from "./settings.ts"

/** The plugin, for one instance of opencode: a folder that it works in. */
async function server({ client, worktree }: PluginInput, options: Options = {}): Promise<Hooks> {
  const log = (level: Level, message: string) => {
    // Whoever has no log loses nothing else.
    client.app.log({ body: { service: "share-sessions", level, message } }).catch(() => {})
  }
  let watch: Watch | undefined

  const begin = (url: string | undefined) => {
    const local = localUrl(url)
    if (local === undefined) {
      return log("info", "no bridge on this machine is configured: shares are fed by opencode alone")
    }
    if (isProxied(local, process.env)) {
      return log("error", `the bridge at ${local} would be asked by way of a proxy: add its host to NO_PROXY`)
    }
    const models = new Models(client)
    const world = {
      bridge: new Bridge(local, tokenFiles(options, worktree, process.env)),
      timing: TIMING,
      log,
      whole: (session: string) => wholeSession(client, models, session),
      modelOf: (message: Record<string, unknown>) => models.of(message),
    }
    watch = new Watch(world, async (id) => (await client.session.get({ path: { id } })).data)
  }

  return {
    // opencode calls it before anything happens.
    config: async (config) => begin(options.url ?? config.enterprise?.url),
    // opencode waits for no event, nor catches what it throws; what it awaits at its end is `dispose`.
    event: async ({ event }) => {
      try {
        watch?.take(event)
      } catch (error) {
        log("error", `an event was not told: ${error}`)
      }
    },
    dispose: async () => {
      const isWhole = await (watch?.end(Date.now() + (options.exit_wait_ms ?? EXIT_WAIT_MS)) ?? true)
      if (!isWhole) console.error("share-sessions: the bridge did not take all of the session in time")
    },
  }
}

export default { id: "share-sessions", server }
