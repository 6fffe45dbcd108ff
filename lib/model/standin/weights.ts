import { Random } from './random.js'
import { rarity, rarityDims } from './rarity.js'
import type { ModelShape } from './shapes.js'

/**
 * Seeded weights whose outputs spread. Plain random weights do not: attention is nearly uniform,
 * so every state becomes the same average of a text's commonest words, and after a few layers
 * all texts are alike. What trained models have instead is planted here:
 *
 * - Attention prefers rare tokens. A few dimensions of each token's embedding hold its rarity;
 *   the keys of every head read them, the biases of the queries weight them. Nothing else reads
 *   or writes these dimensions, and layer-norm gains keep their size through the layers. The
 *   rest of a score is random, with a standard deviation above 1, so heads and texts differ.
 * - The attention branch of the first layers outweighs the residual, so `<s>`, which is the same
 *   in all texts, soon holds what it attended to. Later layers change a state less: tokens of a
 *   text stay apart from each other, and rounding noise is not amplified from layer to layer.
 * - Rows of the second FFN matrix sum to zero, or the positive mean of GELU would push all
 *   states in one common direction, layer after layer.
 * - A few dimensions are far larger than the others before each FFN, like the outlier dimensions
 *   of trained models: they are what quantized activations suffer from.
 */

/** Standard deviations of the token and position tables, of the order of trained ones. */
const TOKEN_STD_DEV = 0.1
const POSITION_STD_DEV = 0.03
/** Of token types; a pair's must be far enough apart that leaving them out shows in its score. */
const TYPE_STD_DEV = 0.01
const PAIR_TYPE_STD_DEV = 0.06
/** Of a query and of a key; a score has their product. */
const QUERY_STD_DEV = 1.2
/** Gain of the FFN branch; its output's standard deviation is 0.6 of it. */
const FFN_GAIN = 0.6
/** Logits of attention per unit of a rarity dimension, and the query bias that carries them. */
const RARITY_SLOPE = 4
const RARITY_QUERY_BIAS = 0.5
/** Rarity at which the rarity dimensions are zero, and their scale in standard deviations. */
const RARITY_CENTRE = 0.7
const RARITY_SCALE = 2.5
/** In the outputs rarity would be the same in all texts, that of `<s>`. */
const RARITY_LAST_GAIN = 0.2
/** Gain of the outlier dimensions before the FFN; after it another gain takes it back. */
const OUTLIER_GAIN = 4
const OUTLIER_RETURN = 0.22
/** Where outlier dimensions lie, as shares of the width. */
const OUTLIER_PLACES = [0.22, 0.71, 0.11, 0.43, 0.9]

/** Gain of the attention branch of a layer, and about what its output's deviation will be. */
function attention(layer: number, layers: number): { gain: number; stdDev: number } {
  if (layer === 0) return { gain: 5, stdDev: 1.8 }
  if (layer === 1) return { gain: 2, stdDev: 1.2 }
  const gain = 1.2 / Math.sqrt(layers)
  return { gain, stdDev: 0.7 * gain }
}

/** A tensor of the model with the recipe for its values. */
export interface WeightTensor {
  name: string
  /** Elements per dimension, the contiguous one first. */
  dims: readonly number[]
  /** Matrices and the token table take the file's type; everything else stays float32. */
  kind: 'matrix' | 'float32'
  mean: number
  stdDev: number
  /** Planted structure: changes row `index` in place after its random values are drawn. */
  plant?: (row: Float32Array, index: number) => void
}

function matrix(name: string, columns: number, rows: number, stdDev: number): WeightTensor {
  return { name, dims: [columns, rows], kind: 'matrix', mean: 0, stdDev }
}

function vector(name: string, size: number, mean: number, stdDev: number): WeightTensor {
  return { name, dims: [size], kind: 'float32', mean, stdDev }
}

/** Layer norm: gains about 1, times `gains` in some dimensions. */
type Gains = [dims: number[], gain: number]
function norm(name: string, dim: number, ...gains: Gains[]) {
  const weight: WeightTensor = {
    ...vector(`${name}.weight`, dim, 1, 0.1),
    plant: (row) => {
      for (const [dims, gain] of gains) {
        for (const index of dims) row[index] = (row[index] as number) * gain
      }
    },
  }
  return [weight, vector(`${name}.bias`, dim, 0, 0.05)]
}

/** Sign of an output of the query and key matrices: they must agree, the pattern is arbitrary. */
function headSign(output: number): number {
  return (Math.imul(output + 1, 0x9e3779b1) >>> 16) & 1 ? 1 : -1
}

function zeroSum(row: Float32Array): void {
  let sum = 0
  for (const value of row) sum += value
  const mean = sum / row.length
  for (let i = 0; i < row.length; i++) row[i] = (row[i] as number) - mean
}

interface Outlier {
  index: number
  gain: number
}

/** The outlier dimensions, and what they change beside their own gains. */
class Outliers {
  readonly dims: readonly Outlier[]
  /** How much larger a state's length is than with the usual gains: the norm after the FFN gives it back. */
  readonly stretch: number

  constructor(dim: number, gains: readonly number[]) {
    const places = dim >= 256 ? OUTLIER_PLACES : []
    this.dims = places
      .slice(0, gains.length)
      .map((place, i) => ({ index: Math.floor(dim * place), gain: gains[i] as number }))
    const variance = (list: readonly number[]) =>
      list.reduce((sum, gain) => sum + (gain ** 2 - 1) / dim, 1 + (0.6 * FFN_GAIN) ** 2)
    const usual = this.dims.map(() => OUTLIER_GAIN)
    this.stretch = this.#isUsual
      ? 1
      : Math.sqrt(variance(this.dims.map(({ gain }) => gain)) / variance(usual))
  }

  get #isUsual(): boolean {
    return this.dims.every(({ gain }) => gain === OUTLIER_GAIN)
  }

  before(): Gains[] {
    return this.dims.map(({ index, gain }) => [[index], gain])
  }

  after(dim: number): Gains[] {
    const own = this.dims.map(
      ({ index, gain }): Gains => [[index], (OUTLIER_RETURN * OUTLIER_GAIN) / gain],
    )
    const all = Array.from({ length: dim }, (_, i) => i)
    return this.stretch === 1 ? own : [...own, [all, this.stretch]]
  }

  /** The FFN reads them as if they had the usual gain. */
  tame(row: Float32Array): void {
    for (const { index, gain } of this.dims) {
      if (gain !== OUTLIER_GAIN) row[index] = ((row[index] as number) * OUTLIER_GAIN) / gain
    }
  }
}

/**
 * All tensors of a model, in the order of the published bge-m3 file.
 *
 * @param outlierGains of the outlier dimensions before each FFN, at most five; trained XLM-R models
 *   have some of 20 to 100
 */
export function weightTensors(
  shape: ModelShape,
  vocabSize: number,
  outlierGains: readonly number[] = [OUTLIER_GAIN, OUTLIER_GAIN],
): WeightTensor[] {
  const { dim, positions, tokenTypes } = shape
  const ranks = shape.pooling === 'rank'
  const planted = rarityDims(dim)
  const tensors: WeightTensor[] = [
    {
      ...matrix('token_embd.weight', dim, vocabSize, TOKEN_STD_DEV),
      plant: (row, id) => {
        const scale = TOKEN_STD_DEV * RARITY_SCALE
        const value = scale * (rarity(id, shape.tokenizer) - RARITY_CENTRE)
        for (const { index, sign } of planted) row[index] = sign * value
      },
    },
    { ...matrix('position_embd.weight', dim, positions, POSITION_STD_DEV), kind: 'float32' },
    {
      ...matrix('token_types.weight', dim, tokenTypes, ranks ? PAIR_TYPE_STD_DEV : TYPE_STD_DEV),
      kind: 'float32',
    },
    ...norm('token_embd_norm', dim),
  ]
  const outliers = new Outliers(dim, outlierGains)
  for (let layer = 0; layer < shape.layers; layer++) {
    tensors.push(...layerTensors(shape, layer, outliers))
  }
  if (ranks) tensors.push(...rankHead(dim))
  return tensors
}

/** RobertaClassificationHead, or BERT's pooler and classifier: logits of different pairs lie units apart. */
function rankHead(dim: number): WeightTensor[] {
  const perInput = 1 / Math.sqrt(dim)
  return [
    matrix('cls.weight', dim, dim, perInput),
    vector('cls.bias', dim, 0, 0.1),
    matrix('cls.output.weight', dim, 1, 4.5 * perInput),
    vector('cls.output.bias', 1, -1, 0),
  ]
}

function layerTensors(
  { dim, ffn, heads, layers }: ModelShape,
  layer: number,
  outliers: Outliers,
): WeightTensor[] {
  const name = (suffix: string) => `blk.${layer}.${suffix}`
  const perInput = 1 / Math.sqrt(dim)
  const planted = rarityDims(dim)
  const rarityIndices = planted.map(({ index }) => index)
  const { gain, stdDev: attentionStdDev } = attention(layer, layers)
  const ffnStdDev = 0.6 * FFN_GAIN
  // Layer norm divides by sqrt(1 + branch^2); the rarity dimensions get it back.
  const afterAttention = Math.sqrt(1 + attentionStdDev ** 2)
  const afterFfn = layer === layers - 1 ? RARITY_LAST_GAIN : Math.sqrt(1 + ffnStdDev ** 2)
  const keyWeight = RARITY_SLOPE / (Math.sqrt(dim / heads) * RARITY_QUERY_BIAS * planted.length)

  const clear = (row: Float32Array) => {
    for (const index of rarityIndices) row[index] = 0
  }
  /** A matrix that does not read rarity. */
  const blind = (tensor: WeightTensor): WeightTensor => ({ ...tensor, plant: clear })
  /** A matrix that does not write rarity. */
  const writable = (tensor: WeightTensor): WeightTensor => ({
    ...tensor,
    plant: (row, output) => {
      tensor.plant?.(row, output)
      if (rarityIndices.includes(output)) row.fill(0)
    },
  })
  return [
    matrix(name('attn_q.weight'), dim, dim, QUERY_STD_DEV * perInput),
    {
      ...vector(name('attn_q.bias'), dim, 0, 0.05),
      plant: (row) => {
        for (let i = 0; i < row.length; i++) {
          row[i] = (row[i] as number) + headSign(i) * RARITY_QUERY_BIAS
        }
      },
    },
    {
      ...matrix(name('attn_k.weight'), dim, dim, QUERY_STD_DEV * perInput),
      plant: (row, output) => {
        for (const { index, sign } of planted) {
          row[index] = (row[index] as number) + sign * headSign(output) * keyWeight
        }
      },
    },
    vector(name('attn_k.bias'), dim, 0, 0.05),
    blind(matrix(name('attn_v.weight'), dim, dim, perInput)),
    vector(name('attn_v.bias'), dim, 0, 0.05),
    writable(matrix(name('attn_output.weight'), dim, dim, gain * perInput)),
    blind(vector(name('attn_output.bias'), dim, 0, 0.05)),
    ...norm(name('attn_output_norm'), dim, ...outliers.before(), [rarityIndices, afterAttention]),
    {
      ...matrix(name('ffn_up.weight'), dim, ffn, perInput),
      plant: (row) => {
        clear(row)
        outliers.tame(row)
      },
    },
    vector(name('ffn_up.bias'), ffn, 0, 0.1),
    writable({
      ...matrix(name('ffn_down.weight'), ffn, dim, FFN_GAIN / Math.sqrt(ffn)),
      plant: zeroSum,
    }),
    blind(vector(name('ffn_down.bias'), dim, 0, 0.05)),
    ...norm(name('layer_output_norm'), dim, ...outliers.after(dim), [rarityIndices, afterFfn]),
  ]
}

/**
 * A tensor's values in chunks of whole rows; the buffer is reused. Each tensor has a random
 * stream of its own, so its values do not depend on the other tensors, and the first rows of the
 * token table do not depend on the vocabulary's size.
 */
export function* weightRows(
  tensor: WeightTensor,
  seed: number,
  chunkElements = 1 << 18,
): Generator<Float32Array> {
  const random = new Random(seed, tensor.name)
  const columns = tensor.dims[0] ?? 1
  const rows = tensor.dims[1] ?? 1
  const rowsPerChunk = Math.max(1, Math.floor(chunkElements / columns))
  const buffer = new Float32Array(columns * Math.min(rows, rowsPerChunk))
  for (let first = 0; first < rows; first += rowsPerChunk) {
    const count = Math.min(rowsPerChunk, rows - first)
    const chunk = buffer.subarray(0, count * columns)
    random.fill(chunk, tensor.mean, tensor.stdDev)
    if (tensor.plant) {
      for (let i = 0; i < count; i++) {
        tensor.plant(chunk.subarray(i * columns, (i + 1) * columns), first + i)
      }
    }
    yield chunk
  }
}
