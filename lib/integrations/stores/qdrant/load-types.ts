/** What `loadQdrant` takes and gives. */

import type { Logger } from '../../../common/types.js'
import type { BatchReport } from '../../batch-report.js'
import type { DocumentCutting } from '../../chunked.js'
import type { QdrantStoreOptions } from './store.js'

/** Where to load to, and how. */
export interface LoadQdrantOptions extends QdrantStoreOptions {
  /** Points of a batch; what a killed run loses at most. Default: 64. */
  batchPoints?: number | undefined
  /** Embeds and writes also what is stored already as it would be. Default: false. */
  again?: boolean | undefined
  /**
   * Cuts the texts: chunks have the ids `ID#0`, `ID#1` ... and their places in their metadata, and what the collection
   * has of a longer text before is removed. Default: false.
   */
  chunk?: boolean | DocumentCutting | undefined
  truncate?: 'error' | 'end' | undefined
  maxTokens?: number | undefined
  /** A line a batch at `info`: texts, tokens, milliseconds by phase, memory, failures by code. No line holds a text. */
  logger?: Logger | undefined
  /** Called after each batch with what it came to: for counts and rates of your own. */
  onBatch?: ((batch: BatchReport) => void) | undefined
  /** Called as items are written or skipped. */
  onProgress?: ((progress: LoadQdrantProgress) => void) | undefined
}

/** How far a load is. */
export interface LoadQdrantProgress {
  /** Points embedded and written. */
  done: number
  /** Items that were stored already. */
  skipped: number
  failed: number
  /** Points a second since the beginning. */
  rate: number
}

/** An item that could not be embedded or stored. */
export interface LoadQdrantFailure {
  id: string
  code: string
  message: string
}

/** What a load did. */
export interface LoadQdrantResult {
  /** Points embedded and written; an id that came twice with different texts counts twice. */
  points: number
  /** Items that were stored already, with the same text by the same model. */
  skipped: number
  /** Items that could not be embedded or stored. */
  failed: number
  /** The first 1,000 of them. */
  failures: LoadQdrantFailure[]
  tokens: number
  batches: number
  /** Multi-vectors of which only the first rows fit. */
  colbertCut: number
  /** Requests that were sent, and those of them that were tries again. */
  requests: number
  retries: number
  seconds: number
}
