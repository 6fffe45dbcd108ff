/**
 * From the official checkpoint of bge-m3, or another XLM-RoBERTa or BERT encoder or re-ranker, to one
 * GGUF that carries the encoder and the heads. Weights go through in pieces of a few megabytes, so memory does not grow with
 * the model.
 */

import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { URL } from 'node:url'
import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { syncDirectory } from '../../common/atomic-file.js'
import {
  EmbedderError,
  InvalidInputError,
  ModelLoadError,
  ModelNotFoundError,
} from '../../common/errors.js'
import { checkFunction, checkSignal, namesOf, refuseUnknown } from '../../common/given.js'
import { pathOf } from '../../common/path.js'
import { HEAD_KEYS } from '../formats/gguf/own-keys.js'
import { BLOCK_ELEMENTS, encodeTensor } from '../formats/gguf/quantize.js'
import { FileType, TensorType } from '../formats/gguf/types.js'
import { entry, type GgufEntry, StringArray } from '../formats/gguf/values.js'
import { type TensorSource, writeGguf } from '../formats/gguf/writer.js'
import { elementCount, quoted, readFloats, type StoredTensor } from '../formats/tensor-file.js'
import { COLBERT_FILE, type Heads, readHeads, SPARSE_FILE } from '../heads.js'
import { hashFile, recordChecksum } from '../integrity.js'
import type { Prompts } from '../prompts.js'
import { removeSidecar } from '../sidecar.js'
import { type CheckpointWeights, openCheckpoint } from './checkpoint.js'
import { type EncoderConfig, readConfig } from './config.js'
import { moduleEntries, poolingType } from './module-entries.js'
import { readModules, type SentenceConfig } from './modules.js'
import { POOLING_MODES, type PoolingMode } from './pooling.js'
import { promptEntries, readPrompts } from './prompts.js'
import { isUnigram, readVocabulary } from './read-vocabulary.js'
import { isIgnored, sourceName, type TensorRule, tensorRules } from './tensor-names.js'
import { vocabularyEntries } from './vocabulary.js'
import { readWordPiece } from './wordpiece.js'

/** What weights can be written as. */
export const CONVERT_TYPES = ['q8_0', 'q4_0', 'f16', 'f32'] as const
/** One of `CONVERT_TYPES`. */
export type ConvertType = (typeof CONVERT_TYPES)[number]

/** Options of `convertCheckpoint`. */
export interface ConvertOptions {
  /** The GGUF to write. It appears when it is complete, or not at all. */
  output: string | URL
  /** Number format of the matrices and the token table; everything else is float32. Default `q8_0`. */
  type?: ConvertType
  /** Where the two `.pt` heads are, if not in the checkpoint; `false` leaves them out. */
  heads?: string | false
  /** `general.name`. Default: the directory's name. */
  name?: string
  /** What goes in front of texts, where the checkpoint says nothing of it. */
  prompts?: Prompts
  /** How token states become a vector, where the checkpoint says nothing of it. Default `cls`. */
  pooling?: PoolingMode
  /** Called as tensors are written. */
  onProgress?: (progress: { doneBytes: number; totalBytes: number }) => void
  signal?: AbortSignalLike
}

const NAMES = namesOf<ConvertOptions>({
  output: 1,
  type: 1,
  heads: 1,
  name: 1,
  prompts: 1,
  pooling: 1,
  onProgress: 1,
  signal: 1,
})

/** What `convertCheckpoint` wrote. */
export interface ConvertResult {
  path: string
  sizeBytes: number
  /** Lower-case hex; recorded beside the file, too. */
  sha256: string
  type: ConvertType
  tensors: number
  /** Weights of the encoder and of the modules after it. */
  parameters: number
  /** How token states become a vector; empty for a re-ranker. */
  pooling: readonly PoolingMode[]
  /** Whether no file says so, and it was assumed. */
  poolingAssumed: boolean
  /** sentence-transformers' modules after the pooling. */
  modules: readonly string[]
  /** The most tokens that texts were meant to have. */
  maxTokens: number
  /** The files it was made from. */
  sources: string[]
  heads: { sparse: boolean; colbert: boolean }
}

const TENSOR_TYPES = {
  q8_0: TensorType.Q8_0,
  q4_0: TensorType.Q4_0,
  f16: TensorType.F16,
  f32: TensorType.F32,
} as const
const FILE_TYPES = {
  q8_0: FileType.Q8_0,
  q4_0: FileType.Q4_0,
  f16: FileType.F16,
  f32: FileType.F32,
} as const

/** llama_pooling_type of a re-ranker. */
const RANK = 4
/** What a re-ranker's checkpoint says of its texts: pairs are cut by their own rules. */
const NO_SENTENCE: SentenceConfig = {
  pooling: [],
  poolingSource: undefined,
  modules: [],
  maxTokens: undefined,
  lowerCase: false,
}

/** Elements read, converted and written at a time: 4 MiB of float32. */
const CHUNK_ELEMENTS = 1 << 20
const MAX_FLOAT16 = 65504

/**
 * Converts the checkpoint in a directory: `config.json`; `model.safetensors` or `pytorch_model.bin`;
 * `sentencepiece.bpe.model`, `tokenizer.json` or BERT's `vocab.txt`; sentence-transformers' `modules.json` with
 * what it names; `sparse_linear.pt` and `colbert_linear.pt` if there.
 *
 * Same tensors, names and keys as llama.cpp's converter makes, but for BERT's pooler, which that drops from
 * a re-ranker's head; bge-m3's two heads, and what follows the encoder, in keys
 * of ours (formats/gguf/own-keys.ts).
 *
 * @throws InvalidInputError for options; ModelNotFoundError for what is missing; ModelLoadError for what
 * is damaged or of another kind; IntegrityError for wrong checksums and weights that are not finite;
 * the signal's reason.
 */
export async function convertCheckpoint(
  checkpoint: string | URL,
  options: ConvertOptions,
): Promise<ConvertResult> {
  refuseUnknown(options, NAMES, 'convertCheckpoint')
  const { type = 'q8_0', signal, onProgress } = options
  checkSignal(signal)
  checkFunction('onProgress', onProgress)
  if (!CONVERT_TYPES.includes(type)) {
    throw new InvalidInputError(`type must be one of ${CONVERT_TYPES.join(', ')}.`)
  }
  const directory = pathOf(checkpoint, 'The checkpoint')
  const output = resolve(pathOf(options.output, 'The option `output`'))
  throwIfAborted(signal)
  const pooling = oneOf(options.pooling)
  const config = await readConfig(directory)
  const isRanker = config.label !== undefined
  const sentence = isRanker ? NO_SENTENCE : await readModules(directory, config.hidden, pooling)
  const prompts = (await readPrompts(directory)) ?? options.prompts
  const weights = await openCheckpoint(directory)
  try {
    const rules = tensorRules(config)
    const tensors = matchTensors(rules, weights)
    const vocabulary = await readVocabularyOf(directory, config)
    if (sentence.lowerCase && vocabulary.keepsCase) {
      throw new ModelLoadError(
        'do_lower_case is set, and texts of this tokenizer are embedded as they are given.',
      )
    }
    const positions = config.positionRows - config.positionOffset
    const after = isRanker
      ? { entries: [], sources: [], parameters: 0 }
      : await moduleEntries(directory, sentence, positions)
    const wanted = isRanker ? (options.heads ?? false) : options.heads
    const heads = await findHeads(directory, wanted, config.hidden)
    await removeLeftovers(output)
    await removeSidecar(output)
    const sizeBytes = await writing(output, signal, () =>
      writeGguf(
        output,
        [
          ...modelEntries(options.name ?? basename(resolve(directory)), {
            config,
            type,
            pooling: isRanker ? RANK : poolingType(sentence),
          }),
          ...vocabulary.entries,
          ...headEntries(heads),
          ...after.entries,
          ...promptEntries(prompts),
        ],
        tensors.map(({ rule, tensor }) => tensorSource(rule, tensor, type, signal)),
        { signal, onProgress },
      ),
    )
    await syncDirectory(dirname(output))
    const sums = await hashFile(output, { signal })
    await recordChecksum(output, sums)
    return {
      path: output,
      sizeBytes,
      sha256: sums.sha256,
      type,
      tensors: tensors.length,
      parameters: rules.reduce((sum, rule) => sum + keptElements(rule), after.parameters),
      pooling: sentence.pooling,
      poolingAssumed: !isRanker && sentence.poolingSource === undefined,
      modules: sentence.modules.map(({ kind }) => kind),
      maxTokens: Math.min(sentence.maxTokens ?? positions, positions),
      sources: [
        ...weights.files,
        vocabulary.source,
        ...after.sources,
        ...(heads?.paths.map((p) => basename(p)) ?? []),
      ],
      heads: { sparse: heads?.sparse !== undefined, colbert: heads?.colbert !== undefined },
    }
  } finally {
    await weights.close()
  }
}

async function readVocabularyOf(
  directory: string,
  { family, vocabSize, tokenTypes }: EncoderConfig,
): Promise<{ source: string; entries: GgufEntry[]; keepsCase: boolean }> {
  if (family === 'bert' && !(await isUnigram(directory))) {
    const found = await readWordPiece(directory, { rows: vocabSize, tokenTypes })
    return { ...found, keepsCase: false }
  }
  if (family === 'bert' && tokenTypes < 2) {
    // by the two types the engine knows that padding takes a position, as BERT has it
    throw new ModelLoadError(
      "config.json: a BERT with XLM-RoBERTa's vocabulary and one token type cannot be converted.",
    )
  }
  const vocabulary = await readVocabulary(directory, vocabSize)
  const entries = vocabularyEntries(vocabulary, tokenTypes)
  return { source: vocabulary.source, entries, keepsCase: true }
}

function oneOf(pooling: PoolingMode | undefined): PoolingMode | undefined {
  if (pooling === undefined || POOLING_MODES.includes(pooling)) return pooling
  throw new InvalidInputError(`pooling must be one of ${POOLING_MODES.join(', ')}.`)
}

/** Finds the tensor of every rule; refuses tensors without a rule, which would be lost. */
function matchTensors(
  rules: readonly TensorRule[],
  weights: CheckpointWeights,
): { rule: TensorRule; tensor: StoredTensor }[] {
  const bySource = new Map<string, StoredTensor>()
  for (const [name, tensor] of weights.tensors) {
    const source = sourceName(name)
    if (bySource.has(source))
      throw new ModelLoadError(`The tensor ${quoted(source)} is there twice.`)
    bySource.set(source, tensor)
  }
  let bytes = 0
  const matched = rules.map((rule) => {
    const tensor = bySource.get(rule.source)
    if (tensor === undefined) {
      throw new ModelLoadError(`The checkpoint has no tensor ${quoted(rule.source)}.`)
    }
    bySource.delete(rule.source)
    if (tensor.shape.join() !== rule.shape.join()) {
      throw new ModelLoadError(
        `${quoted(rule.source)} is ${tensor.shape.join(' x ')}, config.json says ${rule.shape.join(' x ')}.`,
      )
    }
    bytes += elementCount(tensor.shape)
    return { rule, tensor }
  })
  const unknown = [...bySource.keys()].find((name) => !isIgnored(name))
  if (unknown !== undefined) {
    throw new ModelLoadError(
      `The checkpoint has the tensor ${quoted(unknown)}: not a plain encoder.`,
    )
  }
  // Tensors may share storage, but a small file that unfolds into a huge one is no checkpoint.
  if (bytes > 2 * weights.size) {
    throw new ModelLoadError('The tensors of the checkpoint are larger than its files.')
  }
  return matched
}

async function findHeads(
  directory: string,
  heads: string | false | undefined,
  dim: number,
): Promise<Heads | undefined> {
  if (heads === false) return undefined
  if (heads !== undefined) return readHeads(heads, dim)
  const names = await readdir(directory)
  const present = names.includes(SPARSE_FILE) || names.includes(COLBERT_FILE)
  return present ? readHeads(directory, dim) : undefined
}

/** Keys and their order as llama.cpp v0.5.0 writes them. */
function modelEntries(
  name: string,
  { config, type, pooling }: { config: EncoderConfig; type: ConvertType; pooling: number },
): GgufEntry[] {
  return [
    entry.string('general.architecture', 'bert'),
    entry.string('general.type', 'model'),
    entry.string('general.name', name),
    entry.uint32('bert.block_count', config.layers),
    entry.uint32('bert.context_length', config.positionRows - config.positionOffset),
    entry.uint32('bert.embedding_length', config.hidden),
    entry.uint32('bert.feed_forward_length', config.ffn),
    entry.uint32('bert.attention.head_count', config.heads),
    entry.float32('bert.attention.layer_norm_epsilon', config.layerNormEpsilon),
    entry.uint32('general.file_type', FILE_TYPES[type]),
    entry.bool('bert.attention.causal', false),
    entry.uint32('bert.pooling_type', pooling),
    ...(config.label === undefined
      ? []
      : [entry.strings('bert.classifier.output_labels', StringArray.from([config.label]))]),
    entry.uint32('general.quantization_version', 2),
  ]
}

function headEntries(heads: Heads | undefined): GgufEntry[] {
  const entries: GgufEntry[] = []
  if (heads?.sparse !== undefined) {
    entries.push(
      entry.numbers(HEAD_KEYS.sparseWeight, heads.sparse.weight),
      entry.numbers(HEAD_KEYS.sparseBias, Float32Array.of(heads.sparse.bias)),
    )
  }
  if (heads?.colbert !== undefined) {
    entries.push(
      entry.numbers(HEAD_KEYS.colbertWeight, heads.colbert.weight),
      entry.numbers(HEAD_KEYS.colbertBias, heads.colbert.bias),
    )
  }
  return entries
}

function tensorSource(
  rule: TensorRule,
  tensor: StoredTensor,
  type: ConvertType,
  signal: AbortSignalLike | undefined,
): TensorSource {
  const columns = rule.shape[rule.shape.length - 1] as number
  const tensorType = targetType(rule, type, columns)
  return {
    name: rule.target,
    type: tensorType,
    dims:
      rule.shape.length === 1 ? rule.shape : [columns, (rule.shape[0] as number) - rule.skipRows],
    async *data() {
      await tensor.verify?.(signal)
      // Whole rows, so whole blocks.
      const chunk = Math.max(1, Math.floor(CHUNK_ELEMENTS / columns)) * columns
      const end = elementCount(rule.shape)
      for (let first = rule.skipRows * columns; first < end; first += chunk) {
        const floats = await readFloats(tensor, first, Math.min(chunk, end - first))
        if (tensorType === TensorType.F16) checkRange(floats, rule.source)
        yield encodeTensor(floats, tensorType)
      }
    },
  }
}

function targetType(rule: TensorRule, type: ConvertType, columns: number) {
  if (!rule.matrix) return TensorType.F32
  // As llama.cpp's converter: what does not divide into blocks becomes float16.
  if (type.startsWith('q') && columns % BLOCK_ELEMENTS !== 0) return TensorType.F16
  return TENSOR_TYPES[type]
}

function checkRange(floats: Float32Array, name: string): void {
  for (let i = 0; i < floats.length; i++) {
    if (Math.abs(floats[i] as number) > MAX_FLOAT16) {
      throw new ModelLoadError(`${quoted(name)} has a value beyond float16: use q8_0 or f32.`)
    }
  }
}

function keptElements(rule: TensorRule): number {
  return elementCount(rule.shape) - rule.skipRows * (rule.shape[1] ?? 1)
}

/** Temporary files of the writer, `<output>.tmp-<pid>-<random>`, whose process was killed. */
async function removeLeftovers(output: string): Promise<void> {
  const prefix = `${basename(output)}.tmp-`
  const names = await readdir(dirname(output)).catch(() => [])
  for (const name of names) {
    const pid = name.startsWith(prefix) && /^(\d+)-[0-9a-f]+$/.exec(name.slice(prefix.length))?.[1]
    if (pid && !isRunning(Number(pid))) await rm(join(dirname(output), name), { force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** File-system errors as ours; everything else as it is. */
async function writing<T>(
  output: string,
  signal: AbortSignalLike | undefined,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write()
  } catch (cause) {
    if (cause instanceof EmbedderError || signal?.aborted) throw cause
    const code = (cause as NodeJS.ErrnoException).code
    if (code === undefined) throw cause
    const message = `${output} cannot be written (${code}).`
    throw code === 'ENOENT'
      ? new ModelNotFoundError(message, { cause })
      : new ModelLoadError(message, { cause })
  }
}
