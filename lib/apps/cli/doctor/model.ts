/** Is there a model, is its header sound, does it have its heads, and are its bytes the right ones? */

import { EmbedderError } from '../../../common/errors.js'
import { formatSize } from '../../../common/units.js'
import { loadHeads } from '../../../model/heads.js'
import { inspectModel, type ModelInspection } from '../../../model/inspect.js'
import { checkIntegrity, type IntegrityResult } from '../../../model/integrity.js'
import { findModel } from '../../../model/locations.js'
import type { Environment } from '../../../options/table.js'
import type { Finding } from './finding.js'

export interface ModelReport {
  findings: Finding[]
  /** Size of the file; `undefined` when there is none. */
  bytes: number | undefined
}

export interface ModelQuestion {
  model: string | undefined
  heads: string | undefined
  cacheDir: string | undefined
  env: Environment
  signal: AbortSignal
}

export async function modelReport(question: ModelQuestion): Promise<ModelReport> {
  const path = await attempt('Model', () =>
    findModel(question.model, { cacheDir: question.cacheDir, env: question.env }),
  )
  if ('finding' in path) return { findings: [path.finding], bytes: undefined }
  const header = await attempt('Model', () => inspectModel(path.value))
  if ('finding' in header) return { findings: [header.finding], bytes: undefined }
  const { value: inspection } = header
  return {
    findings: [
      modelFinding(inspection),
      await headsFinding(inspection, question.heads),
      await integrityFinding(inspection.path, question),
    ],
    bytes: inspection.sizeBytes,
  }
}

function modelFinding({ path, arch, layers, dim, fileType, sizeBytes, standin }: ModelInspection) {
  const shape = `${arch}, ${layers} layers, ${dim} dimensions, ${fileType}, ${formatSize(sizeBytes)}`
  const detail = `${path} (${shape})`
  const about = { area: 'model', name: 'Model' } as const
  if (!standin) return { ...about, status: 'ok', detail } as const
  return {
    ...about,
    status: 'warning',
    detail: `${detail} is a stand-in: its weights are random and its embeddings mean nothing`,
    advice: 'For real embeddings run `bge-m3 model pull`, and unset BGE_M3_MODEL if it names this.',
  } as const
}

async function headsFinding(
  { path, dim }: ModelInspection,
  named: string | undefined,
): Promise<Finding> {
  const about = { area: 'model', name: 'Heads' } as const
  const found = await attempt('Heads', async () =>
    dim === undefined ? undefined : loadHeads({ model: path, dim, heads: named }),
  )
  if ('finding' in found) return found.finding
  if (found.value === undefined) {
    const advice = 'bge-m3 has heads: `bge-m3 model pull` fetches them. Other models have none.'
    const detail = 'none in the model or beside it: dense embeddings only'
    return { ...about, status: 'info', detail, advice }
  }
  const { sparse, colbert, paths } = found.value
  const kinds = [sparse && 'sparse', colbert && 'ColBERT'].filter(Boolean).join(' and ')
  const where = paths.every((file) => file === path) ? 'in the model' : paths.join(', ')
  return { ...about, status: 'ok', detail: `${kinds}, ${where}` }
}

const INTEGRITY: Record<IntegrityResult['status'], string> = {
  verified: 'the checksum is right',
  trusted: 'the checksum was right, and the file has not changed since',
  unknown: 'nothing is known to compare its checksum with',
  skipped: 'not checked',
}

async function integrityFinding(path: string, question: ModelQuestion): Promise<Finding> {
  const { cacheDir, signal } = question
  const result = await attempt('Integrity', () => checkIntegrity(path, { cacheDir, signal }))
  if ('finding' in result) return result.finding
  const { status } = result.value
  return {
    area: 'model',
    name: 'Integrity',
    status: status === 'unknown' ? 'info' : 'ok',
    detail: INTEGRITY[status],
  }
}

/** What `look` finds out, or the problem that it meets; our own messages say what to do. */
async function attempt<T>(
  name: string,
  look: () => Promise<T>,
): Promise<{ value: T } | { finding: Finding }> {
  try {
    return { value: await look() }
  } catch (error) {
    if (!(error instanceof EmbedderError)) throw error
    return { finding: { area: 'model', name, status: 'problem', detail: error.message } }
  }
}
