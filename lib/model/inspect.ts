import type { URL } from 'node:url'
import { pathOf } from '../common/path.js'
import {
  HEAD_KEYS,
  MAX_TOKENS_KEY,
  MODULES_KEY,
  moduleKey,
  POOLING_KEY,
  STANDIN_KEY,
} from './formats/gguf/own-keys.js'
import { GgufFile } from './formats/gguf/reader.js'
import { type TensorType, tensorTypeName } from './formats/gguf/types.js'

/** What a model file says about itself. Values the file does not have are `undefined`. */
export interface ModelInspection {
  path: string
  arch: string | undefined
  name: string | undefined
  layers: number | undefined
  /** Width of a token state. */
  dim: number | undefined
  /** Numbers in a dense vector: of all poolings, after all modules. */
  dimensions: number | undefined
  attentionHeads: number | undefined
  ffn: number | undefined
  /** Tokens a text may have at most, `<s>` and `</s>` included. */
  contextLength: number | undefined
  /** Those that it was made for, where the file says that they are fewer. */
  maxTokens: number | undefined
  vocabSize: number | undefined
  /** llama.cpp's name of the tokenizer: `t5` is SentencePiece unigram, `bert` is WordPiece. */
  tokenizer: string | undefined
  /** As sentence-transformers names it, several joined by `+`; `none`, or `rank` of a re-ranker. */
  pooling: string | undefined
  /** sentence-transformers' modules after the pooling: `dense`, `layer_norm`, `normalize`. */
  modules: string[]
  /** Tensor type that most weights have: `Q8_0`. */
  fileType: string | undefined
  /** Elements of all tensors. */
  parameters: number
  sizeBytes: number
  /** Which of bge-m3's two extra heads the file carries. */
  heads: { sparse: boolean; colbert: boolean }
  /** Made by this package, with random weights. */
  standin: boolean
}

const POOLING = ['none', 'mean', 'cls', 'lasttoken', 'rank'] as const

/**
 * Reads a model file's header, without its weights.
 *
 * @throws ModelNotFoundError, ModelLoadError
 */
export async function inspectModel(file: string | URL): Promise<ModelInspection> {
  const path = pathOf(file, 'What to inspect')
  const gguf = await GgufFile.open(path)
  try {
    const arch = gguf.string('general.architecture')
    const number = (key: string) => gguf.number(`${arch}.${key}`)
    const pooling = [...((await gguf.strings(POOLING_KEY)) ?? [])]
    const modules = [...((await gguf.strings(MODULES_KEY)) ?? [])]
    const dim = number('embedding_length')
    const { fileType, parameters } = countWeights(gguf)
    return {
      path,
      arch,
      name: gguf.string('general.name'),
      layers: number('block_count'),
      dim,
      dimensions: dim && widthAfter(gguf, modules, dim * Math.max(1, pooling.length)),
      attentionHeads: number('attention.head_count'),
      ffn: number('feed_forward_length'),
      contextLength: number('context_length'),
      maxTokens: gguf.number(MAX_TOKENS_KEY),
      vocabSize: gguf.keys.get('tokenizer.ggml.tokens')?.length,
      tokenizer: gguf.string('tokenizer.ggml.model'),
      pooling: pooling.join('+') || poolingOf(number('pooling_type'), gguf),
      modules,
      fileType,
      parameters,
      sizeBytes: gguf.sizeBytes,
      heads: {
        sparse: gguf.keys.has(HEAD_KEYS.sparseWeight) && gguf.keys.has(HEAD_KEYS.sparseBias),
        colbert: gguf.keys.has(HEAD_KEYS.colbertWeight) && gguf.keys.has(HEAD_KEYS.colbertBias),
      },
      standin: gguf.boolean(STANDIN_KEY) ?? false,
    }
  } finally {
    await gguf.close()
  }
}

function widthAfter({ keys }: GgufFile, modules: readonly string[], width: number): number {
  for (const [i, kind] of modules.entries()) {
    const weights = keys.get(moduleKey(i, 'weight'))?.length ?? 0
    if (kind === 'dense') width = Math.floor(weights / width)
  }
  return width
}

/** A re-ranker's head tells more than the key, which converters of 2024 did not write. */
function poolingOf(pooling: number | undefined, { tensors }: GgufFile): ModelInspection['pooling'] {
  if (pooling !== 1 && tensors.has('cls.output.weight')) return 'rank'
  return pooling === undefined ? undefined : POOLING[pooling]
}

/** By counting: `general.file_type` is only what a converter was asked for. */
function countWeights(file: GgufFile): { fileType: string | undefined; parameters: number } {
  const counts = new Map<TensorType, number>()
  let parameters = 0
  for (const { type, dims } of file.tensors.values()) {
    const elements = dims.reduce((product, dim) => product * dim, 1)
    counts.set(type, (counts.get(type) ?? 0) + elements)
    parameters += elements
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1])
  return { fileType: most && tensorTypeName(most[0]), parameters }
}
