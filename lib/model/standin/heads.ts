import { encodeTensor } from '../gguf/quantize.js'
import { TensorType } from '../gguf/types.js'
import { entry, type GgufEntry } from '../gguf/values.js'
import { Random } from './random.js'

/**
 * bge-m3's two extra heads inside a GGUF. They are stored as keys, not as tensors, because
 * llama.cpp refuses a file with tensors that its architecture does not know ("wrong number of
 * tensors"), while it ignores keys it does not know.
 *
 * Four keys, each a UINT16 array of float16 bits, or a FLOAT32 array; row-major `[out, in]` as
 * in PyTorch:
 *
 * | key                                    | elements  | meaning                    |
 * |----------------------------------------|-----------|----------------------------|
 * | `bge_m3_node.sparse_linear.weight`     | dim       | lexical weight, dim -> 1   |
 * | `bge_m3_node.sparse_linear.bias`       | 1         |                            |
 * | `bge_m3_node.colbert_linear.weight`    | dim * dim | multi-vector, dim -> dim   |
 * | `bge_m3_node.colbert_linear.bias`      | dim       |                            |
 */
export const HEAD_KEYS = {
  sparseWeight: 'bge_m3_node.sparse_linear.weight',
  sparseBias: 'bge_m3_node.sparse_linear.bias',
  colbertWeight: 'bge_m3_node.colbert_linear.weight',
  colbertBias: 'bge_m3_node.colbert_linear.bias',
} as const

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
