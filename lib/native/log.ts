/** Lines from llama.cpp and warnings of our own, to the user's logger; silence without one. */
import type { Logger } from '../common/types.js'
import { loadAddon } from './load.js'

const followers = new Set<Logger>()

/** Sends llama.cpp's log to `logger`, for as long as the environment lives. What it only tells of is for who debugs. */
export function followLog(logger: Logger): void {
  if (followers.size === 0) {
    loadAddon().setLogger((level, line) => {
      for (const follower of followers) call(follower, level === 'info' ? 'debug' : level, line)
    })
  }
  followers.add(logger)
}

/** What was told with a code: once to each logger, or once on stderr. */
const told = new WeakMap<object, Set<string>>()

/** Where warnings of ours go: to the user's logger, or to stderr, since something is wrong. */
export class Log {
  readonly #logger: Logger | undefined

  constructor(logger: Logger | undefined) {
    this.#logger = logger
  }

  /** @param code of what stays true: it is said once, and `node --disable-warning=CODE` keeps it quiet */
  warn(line: string, code?: string): void {
    if (code && this.#wasTold(line)) return
    if (this.#logger) call(this.#logger, 'warn', line)
    else process.emitWarning(line, { type: 'BgeM3Warning', ...(code && { code }) })
  }

  /** Something that takes time or space and that nobody asked for in so many words; once, as above. */
  notice(line: string, code: string): void {
    if (this.#logger) call(this.#logger, 'info', line)
    else process.emitWarning(line, { type: 'BgeM3Notice', code })
  }

  #wasTold(line: string): boolean {
    const listener = this.#logger ?? process
    const lines = told.get(listener) ?? new Set()
    told.set(listener, lines)
    const before = lines.size
    return lines.add(line).size === before
  }
}

function call(logger: Logger, level: keyof Logger, line: string): void {
  try {
    logger[level]?.(line)
  } catch {
    // a logger that throws must not stop the work, and there is nobody left to tell
  }
}
