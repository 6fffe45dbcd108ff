/** The line of JSON that loaders and workers log for each batch: numbers and codes, never a text or an id. */

import { type EmbedderError, StoreError } from '../common/errors.js'
import type { Logger } from '../common/types.js'

/** What a batch came to. */
export interface BatchLine {
  texts: number
  /** Of them in the store now. */
  stored: number
  tokens: number
  /** Milliseconds, such as `embedMs`. */
  phases: Readonly<Record<string, number>>
  failures: readonly { error: Pick<EmbedderError, 'code'> }[]
}

/** `INPUT_TOO_LONG`, or `STORE 23514`. */
export function codeOf(error: Pick<EmbedderError, 'code'>): string {
  const sqlState = error instanceof StoreError ? error.sqlState : undefined
  return sqlState === undefined ? error.code : `${error.code} ${sqlState}`
}

/** A line at `info`: `postgres: batch {...}`. */
export function logBatch(logger: Logger | undefined, who: string, batch: BatchLine): void {
  const { phases, failures, ...counts } = batch
  const failed: Record<string, number> = {}
  for (const { error } of failures) failed[codeOf(error)] = (failed[codeOf(error)] ?? 0) + 1
  const rounded = Object.entries(phases).map(([name, ms]) => [name, Math.round(ms)])
  const rssBytes = process.memoryUsage.rss()
  const line = { ...counts, ...Object.fromEntries(rounded), rssBytes, failed }
  logLine(logger, 'info', `${who}: batch ${JSON.stringify(line)}`)
}

/** A broken log must not cost the work. */
export function logLine(
  logger: Logger | undefined,
  level: 'info' | 'warn' | 'debug',
  line: string,
): void {
  try {
    logger?.[level]?.(line)
  } catch {
    // there is nobody to tell
  }
}
