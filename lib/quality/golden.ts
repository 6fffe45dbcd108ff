/**
 * Golden sets: the embeddings that given texts once had, to tell whether they still have them.
 *
 * The file is JSON. Vectors are base64 of little-endian numbers: float32 for dense and sparse values,
 * uint32 for sparse indices, float16 for ColBERT. Of a text it holds the SHA-256 of its UTF-8, no more.
 *
 *     {"format": "bge-m3-golden", "version": 1, "createdAt": "2026-11-21T00:00:00.000Z",
 *      "model": {"name": "...", "fingerprint": "..."}, "tolerance": 0.001,
 *      "items": [
 *     {"id": "a", "sha256": "...", "dense": "...", "sparse": {"indices": "...", "values": "..."},
 *      "colbert": {"rows": 12, "cols": 1024, "data": "..."}},
 *     ...]}
 */

import { InvalidInputError } from '../common/errors.js'
import { toFloat16 } from '../common/float16.js'
import { checkList, checkNumeric, checkObject, refuseUnknown } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import type { MultiVector, SparseVector } from '../scoring/types.js'
import { colbertDrift, denseDrift, sparseDrift } from './drift.js'
import { mean } from './stats.js'
import type { OutputName } from './types.js'

export const GOLDEN_FORMAT = 'bge-m3-golden'
export const GOLDEN_VERSION = 1
/** Other kernels of the same weights stay well below it; other weights do not. */
export const GOLDEN_TOLERANCE = 0.001

/** The embedding that one text once had. */
export interface GoldenItem {
  id: string
  /** SHA-256 of the text's UTF-8, in hexadecimal. */
  sha256: string
  dense?: Float32Array | undefined
  sparse?: SparseVector | undefined
  colbert?: MultiVector | undefined
}

/** A golden set, as read from its file. */
export interface GoldenSet {
  createdAt: string
  model: { name: string; fingerprint: string }
  /** The largest drift (1 - cosine) that passes. */
  tolerance: number
  items: GoldenItem[]
}

/** How one output compares with the golden set. */
export interface GoldenOutput {
  compared: number
  /** Items that did not drift at all, and those that drifted too far. */
  identical: number
  failed: number
  meanDrift: number
  maxDrift: number
  /** Those farthest away, at most 20; `null` where the two do not compare (other rows or dimensions). */
  worst: { id: string; drift: number | null }[]
}

/** What `compareGolden` found. */
export interface GoldenComparison {
  kind: 'golden'
  /** No item is missing, failed or of another text, and nothing drifted beyond the tolerance. */
  passed: boolean
  tolerance: number
  fingerprint: { golden: string; current: string; same: boolean }
  /** Items in the golden set, and those of them that are there again with the same text. */
  items: number
  compared: number
  /** Ids of the golden set that are not there, that have another text, or that failed. */
  missing: string[]
  changed: string[]
  /** Ids that the golden set does not have: not compared. */
  added: string[]
  outputs: Partial<Record<OutputName, GoldenOutput>>
}

const WORST = 20
const OUTPUTS: readonly OutputName[] = ['dense', 'sparse', 'colbert']

/** How the embeddings of the same texts differ now from what they were. */
export function compareGolden(
  golden: GoldenSet,
  current: { fingerprint: string; items: readonly GoldenItem[] },
  options: { tolerance?: number | undefined } = {},
): GoldenComparison {
  checkSet(golden)
  checkSet(current)
  refuseUnknown(options, ['tolerance'], 'compareGolden')
  checkNumeric(options)
  const tolerance = options.tolerance ?? golden.tolerance
  const now = new Map(current.items.map((item) => [item.id, item]))
  const known = new Set(golden.items.map(({ id }) => id))
  const missing: string[] = []
  const changed: string[] = []
  const pairs: [before: GoldenItem, after: GoldenItem][] = []
  for (const before of golden.items) {
    const after = now.get(before.id)
    if (after === undefined) missing.push(before.id)
    else if (after.sha256 !== before.sha256) changed.push(before.id)
    else pairs.push([before, after])
  }
  const outputs: GoldenComparison['outputs'] = {}
  for (const output of OUTPUTS) {
    const compared = pairs.filter(([before]) => before[output] !== undefined)
    if (compared.length > 0) outputs[output] = compareOutput(compared, output, tolerance)
  }
  const inTolerance = Object.values(outputs).every(({ failed }) => failed === 0)
  return {
    kind: 'golden',
    passed: pairs.length > 0 && missing.length === 0 && changed.length === 0 && inTolerance,
    tolerance,
    fingerprint: {
      golden: golden.model.fingerprint,
      current: current.fingerprint,
      same: golden.model.fingerprint === current.fingerprint,
    },
    items: golden.items.length,
    compared: pairs.length,
    missing,
    changed,
    added: current.items.filter(({ id }) => !known.has(id)).map(({ id }) => id),
    outputs,
  }
}

function compareOutput(
  pairs: readonly (readonly [GoldenItem, GoldenItem])[],
  output: OutputName,
  tolerance: number,
): GoldenOutput {
  const drifts = pairs.map(([before, after]) => ({
    id: before.id,
    drift: driftBetween(before, after, output),
  }))
  // what does not compare is farther away than anything
  const far = (drift: number) => (Number.isNaN(drift) ? Number.POSITIVE_INFINITY : drift)
  const finite = drifts.map(({ drift }) => drift).filter((drift) => !Number.isNaN(drift))
  return {
    compared: drifts.length,
    identical: finite.filter((drift) => drift === 0).length,
    failed: drifts.filter(({ drift }) => far(drift) > tolerance).length,
    meanDrift: finite.length === 0 ? 1 : mean(finite),
    maxDrift: finite.reduce((most, drift) => Math.max(most, drift), 0),
    worst: drifts
      .filter(({ drift }) => drift !== 0)
      .sort((a, b) => far(b.drift) - far(a.drift))
      .slice(0, WORST)
      .map(({ id, drift }) => ({ id, drift: Number.isNaN(drift) ? null : drift })),
  }
}

function driftBetween(before: GoldenItem, after: GoldenItem, output: OutputName): number {
  if (after[output] === undefined) return Number.NaN
  if (output === 'dense')
    return denseDrift(before.dense as Float32Array, after.dense as Float32Array)
  if (output === 'sparse') {
    return sparseDrift(before.sparse as SparseVector, after.sparse as SparseVector)
  }
  const stored = before.colbert as MultiVector
  const now = after.colbert as MultiVector
  // what was stored as halves is compared with halves
  const isHalf = isTyped(stored.data, 'Uint16Array')
  return colbertDrift(stored, isHalf ? { ...now, data: halvesOf(now.data) } : now)
}

/** The file, a line per item. @throws InvalidInputError when an id comes twice */
export function encodeGolden(set: GoldenSet): string {
  checkSet(set)
  const { createdAt, model, tolerance, items } = set
  checkIds(items)
  const head = { format: GOLDEN_FORMAT, version: GOLDEN_VERSION, createdAt, model, tolerance }
  const lines = items.map((item) => JSON.stringify(encodeItem(item)))
  return `${JSON.stringify(head).slice(0, -1)},"items":[\n${lines.join(',\n')}\n]}\n`
}

function checkSet(set: { items: readonly GoldenItem[] }): void {
  checkObject(set, 'A golden set')
  checkList(set.items, '`items`')
  for (const item of set.items) checkObject(item, 'An item')
}

function encodeItem({ id, sha256, dense, sparse, colbert }: GoldenItem) {
  return {
    id,
    sha256,
    ...(dense && { dense: base64(Float32Array.from(dense)) }),
    ...(sparse && {
      sparse: {
        indices: base64(Uint32Array.from(sparse.indices)),
        values: base64(Float32Array.from(sparse.values)),
      },
    }),
    ...(colbert && {
      colbert: {
        rows: colbert.rows,
        cols: colbert.cols,
        data: base64(halvesOf(colbert.data)),
      },
    }),
  }
}

function halvesOf(data: MultiVector['data']): Uint16Array {
  return isTyped(data, 'Uint16Array') ? data : toFloat16(Float32Array.from(data))
}

/** @throws InvalidInputError that says what is wrong with the file */
export function parseGolden(text: string): GoldenSet {
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch {
    throw new InvalidInputError('The golden set is not valid JSON.')
  }
  const { format, version, createdAt, model, tolerance, items } = members(file, 'The golden set')
  if (format !== GOLDEN_FORMAT) {
    throw new InvalidInputError('The file is no golden set (it has another "format").')
  }
  if (version !== GOLDEN_VERSION) {
    throw new InvalidInputError(
      `The golden set has version ${String(version)}, and this program reads ${GOLDEN_VERSION}.`,
    )
  }
  if (!Array.isArray(items) || typeof tolerance !== 'number' || !(tolerance >= 0)) {
    throw new InvalidInputError('The golden set lacks "items" or a "tolerance".')
  }
  const { name, fingerprint } = members(model, 'The "model" of the golden set')
  const parsed = items.map((item, i) => parseItem(item, `Item ${i} of the golden set`))
  checkIds(parsed)
  return {
    createdAt: String(createdAt),
    model: { name: String(name), fingerprint: String(fingerprint) },
    tolerance,
    items: parsed,
  }
}

function parseItem(value: unknown, where: string): GoldenItem {
  const { id, sha256, dense, sparse, colbert } = members(value, where)
  if (typeof id !== 'string' || typeof sha256 !== 'string') {
    throw new InvalidInputError(`${where} lacks an "id" or a "sha256".`)
  }
  const item: GoldenItem = { id, sha256 }
  if (dense !== undefined) item.dense = new Float32Array(bytesOf(dense, 4, where))
  if (sparse !== undefined) {
    const { indices, values } = members(sparse, where)
    item.sparse = {
      indices: new Uint32Array(bytesOf(indices, 4, where)),
      values: new Float32Array(bytesOf(values, 4, where)),
    }
    if (item.sparse.indices.length !== item.sparse.values.length) {
      throw new InvalidInputError(`${where} has a "sparse" with not as many values as indices.`)
    }
  }
  if (colbert !== undefined) {
    const { rows, cols, data } = members(colbert, where)
    const halves = new Uint16Array(bytesOf(data, 2, where))
    if (typeof rows !== 'number' || typeof cols !== 'number' || rows * cols !== halves.length) {
      throw new InvalidInputError(`${where} has a "colbert" that is not rows x cols.`)
    }
    item.colbert = { data: halves, rows, cols }
  }
  return item
}

function members(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidInputError(`${what} is not a JSON object.`)
  }
  return value as Record<string, unknown>
}

function checkIds(items: readonly GoldenItem[]): void {
  if (new Set(items.map(({ id }) => id)).size < items.length) {
    throw new InvalidInputError('An id comes twice in the golden set.')
  }
}

/** Typed arrays have the host's byte order, and every platform of the native part is little-endian. */
function base64(values: Float32Array | Uint32Array | Uint16Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')
}

/** A buffer of its own, so that any typed array fits it. */
function bytesOf(value: unknown, size: number, where: string): ArrayBuffer {
  const isBase64 = typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value)
  const bytes = isBase64 ? Buffer.from(value, 'base64') : undefined
  if (bytes === undefined || bytes.length % size !== 0) {
    throw new InvalidInputError(`${where} has a vector that is not base64 of whole numbers.`)
  }
  return new Uint8Array(bytes).buffer
}
