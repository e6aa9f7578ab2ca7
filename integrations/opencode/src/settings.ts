import { homedir } from "node:os"
import { join } from "node:path"

/** What may stand beside the plugin's name in `opencode.json`. */
export type Options = {
  /** The bridge's URL, on this machine [default: `enterprise.url`]. */
  url?: string
  /** The file with the bridge's token [default: where `share bridge install` has it, then the worktree's]. */
  token?: string
  /** How long opencode waits at its end until the bridge has everything [default: 10000]. */
  exit_wait_ms?: number
}

export const EXIT_WAIT_MS = 10_000

/** How long what happens is gathered, and how long to wait for what may follow. */
export type Timing = {
  gatherMs: number
  /** At the end, how long nothing may have happened. */
  quietMs: number
  /** The same while the summary of a message is due, which is made beside the session. */
  summaryMs: number
  retryMs: number
  retryMsMax: number
}

export const TIMING: Timing = { gatherMs: 50, quietMs: 250, summaryMs: 3_000, retryMs: 100, retryMsMax: 2_000 }

/** The URL without a slash at its end, if it leads to this machine: the token goes nowhere else. */
export function localUrl(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  const { protocol, hostname, origin } = new URL(url)
  const isLocal = /^(127(\.\d+){3}|localhost|\[::1\])$/.test(hostname)
  return protocol === "http:" && isLocal ? origin : undefined
}

/** Whether what is sent to `url` would go by a proxy, as opencode's runtime reads the environment: also to this machine. */
export function isProxied(url: string, env: NodeJS.ProcessEnv): boolean {
  if (!env["http_proxy"] && !env["HTTP_PROXY"]) return false
  const { hostname, host } = new URL(url)
  const direct = (env["no_proxy"] || env["NO_PROXY"] || "").split(",").map((one) => one.trim())
  return !direct.some((one) => one === "*" || one === hostname || one === host)
}

/** Where the bridge's token may be, the best place first. */
export function tokenFiles(options: Options, worktree: string, env: NodeJS.ProcessEnv): string[] {
  if (options.token) return [options.token]
  if (env["SHARE_PLUGIN_TOKEN"]) return [env["SHARE_PLUGIN_TOKEN"]]
  const data = env["XDG_DATA_HOME"] || join(homedir(), ".local", "share")
  return [
    join(data, "share-sessions", "bridge", "state", "bridge", "plugin.token"),
    join(worktree, ".opencode", "state", "bridge", "plugin.token"),
  ]
}
