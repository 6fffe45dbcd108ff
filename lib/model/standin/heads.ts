import { HEAD_KEYS } from '../formats/gguf/own-keys.js'
import { encodeTensor } from '../formats/gguf/quantize.js'
import { TensorType } from '../formats/gguf/types.js'
import { entry, type GgufEntry } from '../formats/gguf/values.js'
import { Random } from './random.js'

/** Below zero, so that about four in ten tokens get a lexical weight. */
const SPARSE_BIAS = -0.25

/** Seeded heads for token states `dim` wide. */
export function headEntries(dim: number, seed: number): GgufEntry[] {
  const draw = (key: string, size: number, mean: number, stdDev: number): GgufEntry => {
    const values = new Float32Array(size)
    new Random(seed, key).fill(values, mean, stdDev)
    const bytes = encodeTensor(values, TensorType.F16)
    return entry.numbers(key, new Uint16Array(bytes.buffer, bytes.byteOffset, size))
  }
  const perInput = 1 / Math.sqrt(dim)
  return [
    draw(HEAD_KEYS.sparseWeight, dim, 0, perInput),
    draw(HEAD_KEYS.sparseBias, 1, SPARSE_BIAS, 0),
    draw(HEAD_KEYS.colbertWeight, dim * dim, 0, perInput),
    draw(HEAD_KEYS.colbertBias, dim, 0, 0.02),
  ]
}
