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
