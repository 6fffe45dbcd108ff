/** From token states' outputs to what the caller asked for: cut, normalised, converted. */
import type {
  Calibration,
  ColbertEmbedding,
  Embedding,
  EmbeddingFacts,
  EmbeddingForms,
  OutputArrays,
  Outputs,
  Precision,
  PrecisionArrays,
  SparseEmbedding,
  Timings,
  TokenMatrix,
} from '../common/types.js'
import { numbersOf, rowsOf } from './arrays.js'
import { toCalibratedInt8 } from './calibration.js'
import { rowsToPrecision, toBinary, toPrecision } from './precision.js'

/** Divides by the Euclidean norm, summed in float64 in index order. A zero vector stays zero. */
export function normalizeInPlace(vector: Float32Array): void {
  let sum = 0
  for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2
  if (sum === 0) return
  const scale = 1 / Math.sqrt(sum)
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * scale
}

export interface FinishOptions<P extends Precision> {
  dimensions?: number | undefined
  normalize: boolean
  precision: P
  /** Of `int8` and `binary`, as many dimensions as the vector has. */
  calibration?: Calibration | undefined
}

/** The dense vector: the first `dimensions` of the pooled state, then normalised, then converted. */
export function finishDense<P extends Precision>(
  pooled: Float32Array,
  options: FinishOptions<P>,
): PrecisionArrays[P]
export function finishDense(
  pooled: Float32Array,
  { dimensions, normalize, precision, calibration }: FinishOptions<Precision>,
): PrecisionArrays[Precision] {
  const vector = dimensions === undefined ? pooled : pooled.slice(0, dimensions)
  if (normalize) normalizeInPlace(vector)
  if (calibration !== undefined && precision === 'binary') {
    return toBinary(vector, calibration.means)
  }
  if (calibration !== undefined && precision === 'int8') {
    return toCalibratedInt8(vector, calibration)
  }
  return toPrecision(vector, precision)
}

/**
 * ColBERT rows: the first `dimensions` of each, then normalised again, then converted. `rows` holds
 * rows of `cols` floats, each of length 1; the rows are of length 1 whatever `normalize` says, since
 * their scores are cosines.
 */
export function finishColbert<P extends Precision>(
  rows: Float32Array,
  cols: number,
  { dimensions, precision }: FinishOptions<P>,
): ColbertEmbedding<P> {
  const count = rows.length / cols
  const width = Math.min(dimensions ?? cols, cols)
  if (width === cols) {
    return { data: rowsToPrecision(rows, count, cols, precision), rows: count, cols }
  }
  const cut = new Float32Array(count * width)
  for (let row = 0; row < count; row++) {
    const target = cut.subarray(row * width, (row + 1) * width)
    target.set(rows.subarray(row * cols, row * cols + width))
    normalizeInPlace(target)
  }
  return { data: rowsToPrecision(cut, count, width, precision), rows: count, cols: width }
}

/** What the engine or the cache gave for one text: raw, in arrays that may be changed. */
export interface TextOutputs {
  /** `<s>` and `</s>` included. */
  tokenCount: number
  /** Whether the text lost its end. */
  truncated: boolean
  /** The pooled state, dim floats, not normalised. */
  pooled?: Float32Array
  sparse?: SparseEmbedding
  /** tokenCount - 1 rows of length 1. */
  colbert?: Float32Array
  /** tokenCount rows: the last hidden states. */
  states?: Float32Array
}

/** An embedding as it is handed out. What was not asked for is no property of it. */
export class MadeEmbedding<P extends Precision = Precision> implements EmbeddingForms {
  declare dense?: PrecisionArrays[P]
  declare sparse?: SparseEmbedding
  declare colbert?: ColbertEmbedding<P>
  declare fallback?: string
  /** Of `tokenStates` alone. */
  declare states?: TokenMatrix

  constructor(
    readonly tokenCount: number,
    readonly truncated: boolean,
    readonly cached: boolean,
    readonly timings: Timings,
  ) {}

  toArrays(): Partial<OutputArrays> {
    const { dense, sparse, colbert } = this
    const { indices, values } = sparse ?? {}
    return {
      ...(dense && { dense: numbersOf(dense) }),
      ...(indices && values && { sparse: { indices: [...indices], values: numbersOf(values) } }),
      ...(colbert && { colbert: rowsOf(colbert) }),
    }
  }

  toJSON(): EmbeddingFacts & Partial<OutputArrays> {
    return { ...(this as EmbeddingFacts), ...this.toArrays() }
  }
}

/** The same object as an embedding again, whose methods were lost on its way (structured clone, a file). */
export function asEmbedding(data: object): Embedding<Precision> {
  return Object.setPrototypeOf(data, MadeEmbedding.prototype) as Embedding<Precision>
}

/** The outputs that were asked for, in the form that was asked for. */
export function embeddingOf<P extends Precision>(
  raw: TextOutputs,
  options: FinishOptions<P> & { outputs: Outputs },
  { cached, timings }: { cached: boolean; timings: Timings },
): Embedding<P> {
  const { outputs } = options
  const embedding = new MadeEmbedding<P>(raw.tokenCount, raw.truncated, cached, timings)
  if (outputs.dense && raw.pooled) embedding.dense = finishDense(raw.pooled, options)
  if (outputs.sparse && raw.sparse) embedding.sparse = raw.sparse
  if (outputs.colbert && raw.colbert) {
    const cols = raw.colbert.length / (raw.tokenCount - 1)
    embedding.colbert = finishColbert(raw.colbert, cols, options)
  }
  if (raw.states) {
    const { tokenCount: rows } = raw
    embedding.states = { data: raw.states, rows, cols: raw.states.length / rows }
  }
  return embedding
}
