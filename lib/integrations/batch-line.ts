/** The line of JSON that loaders and workers log for each batch: numbers and codes, never a text or an id. */

import { StoreError } from '../common/errors.js'
import type { Logger } from '../common/types.js'

/** What a batch came to. */
export interface BatchLine {
  texts: number
  /** Of them in the store now. */
  stored: number
  tokens: number
  /** Milliseconds, such as `embedMs`. */
  phases: Readonly<Record<string, number>>
  /** How many failed, by code. */
  failed: Readonly<Record<string, number>>
}

/** `INPUT_TOO_LONG`, or `STORE 23514`. */
export function codeOf(error: { code: string }): string {
  const sqlState = error instanceof StoreError ? error.sqlState : undefined
  return sqlState === undefined ? error.code : `${error.code} ${sqlState}`
}

/** How many there are of each code. */
export function countByCode(
  errors: Iterable<{ code: string }>,
  counts: Record<string, number> = {},
): Record<string, number> {
  for (const error of errors) counts[codeOf(error)] = (counts[codeOf(error)] ?? 0) + 1
  return counts
}

/** A line at `info`: `postgres: batch {...}`. */
export function logBatch(logger: Logger | undefined, who: string, batch: BatchLine): void {
  const { phases, failed, ...counts } = batch
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
