/** What the scores take. Structural: an `Embedding` fits, and so does what came back from a database. */

/**
 * A dense vector, in any precision that `embed` hands out.
 *
 * - `Float32Array`, `Float64Array`, `number[]`: the components.
 * - `Int8Array`: components up to an unknown scale of the vector's own, so only ratios mean something.
 * - `Uint16Array`: the bits of IEEE halves.
 * - `Uint8Array`: sign bits, eight components to a byte; each stands for +1 or -1.
 *
 * Two vectors of different kinds compare by their components, but for packed bits, which compare only
 * with packed bits.
 */
export type Vector =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint16Array
  | Uint8Array
  | readonly number[]

/** Lexical weights: token ids, strictly ascending, and the weight of each. */
export interface SparseVector {
  /** Token ids, ascending. */
  readonly indices: Uint32Array | readonly number[]
  /** One for each index. */
  readonly values: Float32Array | readonly number[]
}

/** A vector per token: `rows` vectors of `cols` components, one after another in `data`. */
export interface MultiVector {
  /** `rows * cols` elements; for packed bits `rows * cols / 8` bytes. */
  readonly data: Float32Array | Int8Array | Uint16Array | Uint8Array | readonly number[]
  readonly rows: number
  readonly cols: number
}

/** A set of dense vectors of one length: a list of them or of embeddings, or one row after another. */
export type VectorSet =
  | readonly (Vector | { readonly dense: Vector })[]
  | { readonly data: Float32Array; readonly rows: number; readonly cols: number }

/** The most entries a matrix may have: 8 GiB of float32, what one typed array can hold everywhere. */
export const MAX_ENTRIES = 2 ** 31 - 1

/** Row-major float32. */
export interface Matrix {
  /** rows x cols numbers, row after row. */
  data: Float32Array
  /** Number of rows. */
  rows: number
  /** Length of a row. */
  cols: number
}

/** Similarities (higher is nearer): `cosine`, `dot`. Distances (lower is nearer): the others. */
export type Metric = 'cosine' | 'dot' | 'euclidean' | 'manhattan'

/** The outputs of one text, as far as they were asked for. */
export interface ScoredOutputs {
  readonly dense?: Vector | undefined
  readonly sparse?: SparseVector | undefined
  readonly colbert?: MultiVector | undefined
}
