/** Keys of a GGUF that only this package writes and reads. */

/** Marks a file as a stand-in (BOOL, true). */
export const STANDIN_KEY = 'bge_m3_node.standin'

/**
 * bge-m3's two extra heads inside a GGUF. They are stored as keys, not as tensors, because
 * llama.cpp refuses a file with tensors that its architecture does not know ("wrong number of
 * tensors"), while it ignores keys it does not know.
 *
 * Four keys, each a UINT16 array of float16 bits, or a FLOAT32 array; row-major `[out, in]` as
 * in PyTorch:
 *
 * | key                                    | elements    | meaning                    |
 * |----------------------------------------|-------------|----------------------------|
 * | `bge_m3_node.sparse_linear.weight`     | dim         | lexical weight, dim -> 1   |
 * | `bge_m3_node.sparse_linear.bias`       | 1           |                            |
 * | `bge_m3_node.colbert_linear.weight`    | width * dim | multi-vector, dim -> width |
 * | `bge_m3_node.colbert_linear.bias`      | width       | dim, but for `colbert_dim` |
 */
export const HEAD_KEYS = {
  sparseWeight: 'bge_m3_node.sparse_linear.weight',
  sparseBias: 'bge_m3_node.sparse_linear.bias',
  colbertWeight: 'bge_m3_node.colbert_linear.weight',
  colbertBias: 'bge_m3_node.colbert_linear.bias',
} as const

/**
 * Prompts of sentence-transformers, for which GGUF has no keys: two STRING arrays of one length, and the
 * name of the one that is used when nothing is said (STRING, absent where there is none).
 */
export const PROMPT_KEYS = {
  names: 'bge_m3_node.prompts.names',
  texts: 'bge_m3_node.prompts.texts',
  default: 'bge_m3_node.prompts.default',
} as const

/** The most tokens that texts were meant to have, fewer than the position table has rows (UINT32). */
export const MAX_TOKENS_KEY = 'bge_m3_node.max_tokens'

/**
 * Poolings that `bert.pooling_type`, which is 0 then, cannot say: sentence-transformers' names of them
 * (STRING array). Their vectors stand beside each other, in this order.
 */
export const POOLING_KEY = 'bge_m3_node.pooling'

/**
 * sentence-transformers' modules after the pooling, in order: a STRING array of `dense`, `layer_norm` and
 * `normalize`. Of module N, counted from 0, the keys of `moduleKey` have
 *
 * | part         | of             | is                                                                |
 * |--------------|----------------|-------------------------------------------------------------------|
 * | `weight`     | dense          | FLOAT32 array, outputs x inputs, row-major as in PyTorch            |
 * | `bias`       | dense          | FLOAT32 array of outputs; absent where it has none                  |
 * | `activation` | dense          | STRING: `identity`, `tanh`, `relu`, `gelu` (erf), `sigmoid`, `silu` |
 * | `weight`, `bias` | layer_norm | FLOAT32 arrays of its width                                         |
 */
export const MODULES_KEY = 'bge_m3_node.modules'

/** A key of a module's numbers. */
export function moduleKey(index: number, part: 'weight' | 'bias' | 'activation'): string {
  return `${MODULES_KEY}.${index}.${part}`
}
