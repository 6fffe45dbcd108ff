/** Lines from llama.cpp and warnings of our own, to the user's logger; silence without one. */
import type { Logger } from '../common/types.js'
import { loadAddon } from './load.js'

const followers = new Set<Logger>()

/** Sends llama.cpp's log to `logger` at its own level, for as long as the environment lives. */
export function followLog(logger: Logger): void {
  if (followers.size === 0) {
    loadAddon().setLogger((level, line) => {
      for (const follower of followers) call(follower, level, line)
    })
  }
  followers.add(logger)
}

/** A warning of ours; on stderr when there is no logger, since something is wrong. */
export function warn(logger: Logger | undefined, line: string, code?: string): void {
  if (logger) call(logger, 'warn', line)
  else process.emitWarning(line, { type: 'BgeM3Warning', ...(code && { code }) })
}

const told = new WeakMap<object, Set<string>>()

/**
 * Of what stays true: once to a logger, or once on stderr, where `node --disable-warning=CODE` keeps
 * it quiet.
 */
export function warnOnce(logger: Logger | undefined, line: string, code: string): void {
  const listener = logger ?? process
  const lines = told.get(listener) ?? new Set()
  if (lines.has(line)) return
  told.set(listener, lines.add(line))
  warn(logger, line, code)
}

function call(logger: Logger, level: keyof Logger, line: string): void {
  try {
    logger[level]?.(line)
  } catch {
    // a logger that throws must not stop the work, and there is nobody left to tell
  }
}
