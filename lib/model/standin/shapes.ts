/** Shapes of the models that stand-ins imitate. */

export const STANDIN_ARCHS = [
  'bge-m3',
  'minilm',
  'bert-base',
  'bge-reranker',
  'cross-encoder',
] as const
export type StandinArch = (typeof STANDIN_ARCHS)[number]
export const STANDIN_SIZES = ['tiny', 'small', 'full'] as const
export type StandinSize = (typeof STANDIN_SIZES)[number]
export const STANDIN_TYPES = ['q8_0', 'f16', 'f32'] as const
export type StandinType = (typeof STANDIN_TYPES)[number]

export interface ModelShape {
  layers: number
  /** Width of a token state. */
  dim: number
  heads: number
  ffn: number
  /** Positions, `<s>` and `</s>` included. */
  positions: number
  tokenTypes: number
  layerNormEpsilon: number
  /** `enum llama_pooling_type`; `rank` for a re-ranker, which has a head. */
  pooling: 'mean' | 'cls' | 'rank'
  /** Which vocabulary: XLM-R's unigram one or BERT-uncased's WordPiece one. */
  tokenizer: 'xlm-r' | 'wordpiece'
}

/** What embeds. */
type Encoder = Exclude<StandinArch, 'bge-reranker' | 'cross-encoder'>

const ENCODERS: Record<Encoder, ModelShape> = {
  'bge-m3': {
    layers: 24,
    dim: 1024,
    heads: 16,
    ffn: 4096,
    positions: 8192,
    tokenTypes: 1,
    layerNormEpsilon: 1e-5,
    pooling: 'cls',
    tokenizer: 'xlm-r',
  },
  minilm: {
    layers: 6,
    dim: 384,
    heads: 12,
    ffn: 1536,
    positions: 512,
    tokenTypes: 2,
    layerNormEpsilon: 1e-12,
    pooling: 'mean',
    tokenizer: 'wordpiece',
  },
  'bert-base': {
    layers: 12,
    dim: 768,
    heads: 12,
    ffn: 3072,
    positions: 512,
    tokenTypes: 2,
    layerNormEpsilon: 1e-12,
    pooling: 'cls',
    tokenizer: 'wordpiece',
  },
}

const FULL: Record<StandinArch, ModelShape> = {
  ...ENCODERS,
  // bge-reranker-v2-m3, and ms-marco-MiniLM-L6-v2
  'bge-reranker': { ...ENCODERS['bge-m3'], pooling: 'rank' },
  'cross-encoder': { ...ENCODERS.minilm, pooling: 'rank' },
}

/**
 * `full` is the model's own shape; `small` has 2 layers of full width, so that it takes the real
 * heads; `tiny` has 2 layers, 64 wide, with one head of 64 — the head size of bge-m3, so that
 * it runs on the same kernels.
 */
export function shapeOf(arch: StandinArch, size: StandinSize): ModelShape {
  const full = FULL[arch]
  if (size === 'full') return full
  if (size === 'small') return { ...full, layers: 2 }
  return { ...full, layers: 2, dim: 64, heads: 1, ffn: 256 }
}
