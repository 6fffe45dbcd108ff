import type { URL } from 'node:url'
import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import { checkFunction, checkSignal, namesOf, refuseUnknown } from '../../common/given.js'
import { pathOf } from '../../common/path.js'
import { STANDIN_KEY } from '../formats/gguf/own-keys.js'
import { encodeTensor } from '../formats/gguf/quantize.js'
import { FileType, TensorType } from '../formats/gguf/types.js'
import { entry, type GgufEntry, StringArray } from '../formats/gguf/values.js'
import { type TensorSource, writeGguf } from '../formats/gguf/writer.js'
import { removeSidecar } from '../sidecar.js'
import { headEntries } from './heads.js'
import {
  type ModelShape,
  STANDIN_ARCHS,
  STANDIN_SIZES,
  STANDIN_TYPES,
  type StandinArch,
  type StandinSize,
  type StandinType,
  shapeOf,
} from './shapes.js'
import { findVocab, readVocabulary } from './vocabulary.js'
import { type WeightTensor, weightRows, weightTensors } from './weights.js'

/** Changes whenever the bytes of any stand-in change; test caches are keyed by it. */
export const STANDIN_VERSION = 3

/** Options of `createStandin`. */
export interface StandinOptions {
  /** The file to write. */
  output: string | URL
  size: StandinSize
  /** Default `bge-m3`. */
  arch?: StandinArch
  /** Default `q8_0`. */
  type?: StandinType
  /** Default 1. */
  seed?: number
  /** A GGUF that has the vocabulary; see `findVocab`. */
  vocab?: string | undefined
  /** Gains of up to five outlier dimensions; default two of 4. Trained XLM-R models have 20 to 100. */
  outlierGains?: readonly number[] | undefined
  /** Only the first so many tokens: for fuzzing, where a 5 MB header is too slow. */
  vocabSize?: number | undefined
  /** Called as weights are written. */
  onProgress?: ((progress: { doneBytes: number; totalBytes: number }) => void) | undefined
  signal?: AbortSignalLike | undefined
}

const NAMES = namesOf<StandinOptions>({
  output: 1,
  size: 1,
  arch: 1,
  type: 1,
  seed: 1,
  vocab: 1,
  outlierGains: 1,
  vocabSize: 1,
  onProgress: 1,
  signal: 1,
})

/** What was written. */
export interface StandinInfo extends ModelShape {
  path: string
  arch: StandinArch
  size: StandinSize
  type: StandinType
  seed: number
  vocabSize: number
  /** Weights of the model, the heads not counted. */
  parameters: number
  sizeBytes: number
}

const TENSOR_TYPES = {
  q8_0: TensorType.Q8_0,
  f16: TensorType.F16,
  f32: TensorType.F32,
} as const
/** llama_pooling_type. */
const POOLING_TYPES = { mean: 1, cls: 2, rank: 4 } as const
const FILE_TYPES = { q8_0: FileType.Q8_0, f16: FileType.F16, f32: FileType.F32 } as const

/**
 * Writes a model with the true architecture and vocabulary and seeded random weights: for tests
 * and benchmarks where the real weights cannot be had. Its embeddings mean nothing. The same
 * options give the same bytes on every machine; `f32`, `f16` and `q8_0` of one seed hold the same
 * weights, rounded.
 */
export async function createStandin(options: StandinOptions): Promise<StandinInfo> {
  refuseUnknown(options, NAMES, 'createStandin')
  const { size, arch = 'bge-m3', type = 'q8_0', seed = 1 } = options
  oneOf('size', size, STANDIN_SIZES)
  oneOf('arch', arch, STANDIN_ARCHS)
  oneOf('type', type, STANDIN_TYPES)
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new InvalidInputError('seed must be an integer from 0 to 4294967295.')
  }
  const output = pathOf(options.output, 'The option `output`')
  checkSignal(options.signal)
  checkFunction('onProgress', options.onProgress)
  throwIfAborted(options.signal)
  const shape = shapeOf(arch, size)
  const vocabPath = await findVocab(arch, options.vocab)
  const vocabulary = await readVocabulary(vocabPath, shape.tokenizer, options.vocabSize)
  const weights = weightTensors(shape, vocabulary.size, options.outlierGains)
  await removeSidecar(output)
  const sizeBytes = await writeGguf(
    output,
    [
      ...modelEntries({ arch, size, type }, shape),
      ...vocabulary.entries,
      entry.bool(STANDIN_KEY, true),
      // only bge-m3 has the two heads; a stand-in for another model must not pretend to
      ...(arch === 'bge-m3' ? headEntries(shape.dim, seed) : []),
    ],
    weights.map((tensor) => tensorSource(tensor, type, seed)),
    { signal: options.signal, onProgress: options.onProgress },
  )
  const parameters = weights.reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0)
  return {
    ...shape,
    path: output,
    arch,
    size,
    type,
    seed,
    vocabSize: vocabulary.size,
    parameters,
    sizeBytes,
  }
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): void {
  if (!(allowed as readonly string[]).includes(value)) {
    throw new InvalidInputError(`${name} must be one of ${allowed.join(', ')}.`)
  }
}

/** Keys in the order of llama.cpp's converter, v0.5.0. */
function modelEntries(
  { arch, size, type }: { arch: StandinArch; size: StandinSize; type: StandinType },
  shape: ModelShape,
): GgufEntry[] {
  const results = shape.pooling === 'rank' ? 'scores' : 'embeddings'
  const name = `${arch} ${size} stand-in (random weights, meaningless ${results})`
  return [
    entry.string('general.architecture', 'bert'),
    entry.string('general.type', 'model'),
    entry.string('general.name', name),
    entry.uint32('bert.block_count', shape.layers),
    entry.uint32('bert.context_length', shape.positions),
    entry.uint32('bert.embedding_length', shape.dim),
    entry.uint32('bert.feed_forward_length', shape.ffn),
    entry.uint32('bert.attention.head_count', shape.heads),
    entry.float32('bert.attention.layer_norm_epsilon', shape.layerNormEpsilon),
    entry.uint32('general.file_type', FILE_TYPES[type]),
    entry.bool('bert.attention.causal', false),
    entry.uint32('bert.pooling_type', POOLING_TYPES[shape.pooling]),
    ...(shape.pooling === 'rank'
      ? [entry.strings('bert.classifier.output_labels', StringArray.from(['LABEL_0']))]
      : []),
    entry.uint32('general.quantization_version', 2),
  ]
}

function tensorSource(tensor: WeightTensor, type: StandinType, seed: number): TensorSource {
  const tensorType = tensor.kind === 'matrix' ? TENSOR_TYPES[type] : TensorType.F32
  return {
    name: tensor.name,
    type: tensorType,
    dims: tensor.dims,
    *data() {
      for (const rows of weightRows(tensor, seed)) yield encodeTensor(rows, tensorType)
    },
  }
}
