/** What loaders and workers tell of each batch: numbers and codes, never a text or an id. */

import { StoreError } from '../common/errors.js'
import { nameOf } from '../common/realms.js'
import type { Logger } from '../common/types.js'

/** What a batch came to: of a queue's worker, a job. */
export interface BatchReport {
  /** Texts of the batch, failed ones included. */
  texts: number
  /** How many of them are in the store now. */
  stored: number
  tokens: number
  /** Milliseconds, such as `embedMs` and `writeMs`. */
  phases: Readonly<Record<string, number>>
  /** How many failed, by code; with SQLSTATE where PostgreSQL refused them: `STORE 23514`. */
  failed: Readonly<Record<string, number>>
}

/** Who is told of batches. */
export interface BatchListeners {
  logger?: Logger | undefined
  onBatch?: ((batch: BatchReport) => void) | undefined
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

/** Calls `onBatch`, and logs a line at `info`: `postgres: batch {...}`. */
export function tellBatch(
  { logger, onBatch }: BatchListeners,
  who: string,
  batch: BatchReport,
): void {
  const { phases, failed, ...counts } = batch
  const rounded = Object.entries(phases).map(([name, ms]) => [name, Math.round(ms)])
  const rssBytes = process.memoryUsage.rss()
  const line = { ...counts, ...Object.fromEntries(rounded), rssBytes, failed }
  logLine(logger, 'info', `${who}: batch ${JSON.stringify(line)}`)
  try {
    onBatch?.(batch)
  } catch (error) {
    // whoever counts must not cost the work
    logLine(logger, 'warn', `${who}: onBatch threw: ${nameOf(error)}`)
  }
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
