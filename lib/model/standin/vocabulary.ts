import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buildDir } from '../../common/cache-dir.js'
import { InvalidInputError, ModelLoadError, ModelNotFoundError } from '../../common/errors.js'
import { isTyped } from '../../common/realms.js'
import { GgufFile } from '../formats/gguf/reader.js'
import { entry, type GgufEntry } from '../formats/gguf/values.js'
import type { StandinArch } from './shapes.js'

/** XLM-R's vocabulary as bge-m3 has it. */
const XLM_R_SIZE = 250_002
/** `SentencePieceTokenTypes.UNUSED` of llama.cpp's converter. */
const TOKEN_UNUSED = 5

/** llama.cpp's own test files, in `models/` of its sources. */
const VOCAB_FILES: Record<StandinArch, string> = {
  'bge-m3': 'ggml-vocab-nomic-bert-moe.gguf',
  minilm: 'ggml-vocab-bert-bge.gguf',
  'bert-base': 'ggml-vocab-bert-bge.gguf',
  'bge-reranker': 'ggml-vocab-nomic-bert-moe.gguf',
  'cross-encoder': 'ggml-vocab-bert-bge.gguf',
}

interface Vocabulary {
  size: number
  /** The `tokenizer.ggml.*` keys. */
  entries: GgufEntry[]
}

/**
 * Where a vocabulary is: `path` if given, else in llama.cpp's sources — `LLAMA_CPP_DIR`, then
 * what the build fetched into the cache directory.
 *
 * @throws ModelNotFoundError that names `--vocab`
 */
export async function findVocab(arch: StandinArch, path?: string): Promise<string> {
  if (path !== undefined) return path
  const file = VOCAB_FILES[arch]
  for (const directory of await sourceDirectories()) {
    const candidate = join(directory, 'models', file)
    if (await isReadable(candidate)) return candidate
  }
  throw new ModelNotFoundError(
    `A stand-in needs the vocabulary ${file}, which comes with llama.cpp's sources, and they are ` +
      'neither in LLAMA_CPP_DIR nor in the cache directory (building from source puts them ' +
      'there). Name any GGUF that has the vocabulary with --vocab FILE.',
  )
}

async function sourceDirectories(): Promise<string[]> {
  const fromEnvironment = process.env.LLAMA_CPP_DIR
  const build = buildDir()
  const names = await readdir(build).catch(() => [])
  const fetched = names
    .filter((name) => name.startsWith('llama.cpp-'))
    .sort()
    .reverse()
    .map((name) => join(build, name, 'src'))
  return fromEnvironment ? [fromEnvironment, ...fetched] : fetched
}

async function isReadable(path: string): Promise<boolean> {
  try {
    await (await GgufFile.open(path)).close()
    return true
  } catch {
    return false
  }
}

/**
 * Reads the vocabulary of a model out of a GGUF.
 *
 * @param limit take only that many tokens (a very small model for fuzzing); XLM-R's mask, its
 *   last token, then moves to the end
 */
export async function readVocabulary(
  path: string,
  tokenizer: 'xlm-r' | 'wordpiece',
  limit?: number,
): Promise<Vocabulary> {
  const file = await GgufFile.open(path)
  try {
    const model = file.string('tokenizer.ggml.model')
    const expected = tokenizer === 'xlm-r' ? 't5' : 'bert'
    if (model !== expected) {
      throw new ModelLoadError(
        `${path} has a ${model ?? 'missing'} tokenizer, this stand-in needs ${expected}.`,
      )
    }
    return tokenizer === 'xlm-r' ? await readXlmR(file, limit) : await readWordPiece(file, limit)
  } finally {
    await file.close()
  }
}

/** The keys in the order and with the values of llama.cpp's converter for `XLMRobertaModel`. */
async function readXlmR(file: GgufFile, limit = XLM_R_SIZE): Promise<Vocabulary> {
  const tokens = await file.strings('tokenizer.ggml.tokens')
  const scores = await file.numbers('tokenizer.ggml.scores')
  const types = await file.numbers('tokenizer.ggml.token_type')
  const charsmap = await file.numbers('tokenizer.ggml.precompiled_charsmap')
  const complete =
    tokens !== undefined &&
    tokens.length >= XLM_R_SIZE &&
    isTyped(scores, 'Float32Array') &&
    scores.length === tokens.length &&
    isTyped(types, 'Int32Array') &&
    types.length === tokens.length &&
    isTyped(charsmap, 'Uint8Array')
  if (!complete) throw new ModelLoadError(`${file.path} does not hold XLM-R's vocabulary.`)
  const size = checkedLimit(limit, XLM_R_SIZE)
  // bge-m3's sentencepiece.bpe.model has no <mask>; the converter fills the hole like this.
  const mask = size - 1
  const keptScores = scores.slice(0, size)
  const keptTypes = types.slice(0, size)
  keptScores[mask] = -10_000
  keptTypes[mask] = TOKEN_UNUSED
  return {
    size,
    entries: [
      entry.string('tokenizer.ggml.model', 't5'),
      entry.string('tokenizer.ggml.pre', 'default'),
      entry.strings('tokenizer.ggml.tokens', tokens.take(size, new Map([[mask, '[PAD250000]']]))),
      entry.numbers('tokenizer.ggml.scores', keptScores),
      entry.numbers('tokenizer.ggml.token_type', keptTypes),
      entry.bool('tokenizer.ggml.add_space_prefix', true),
      entry.uint32('tokenizer.ggml.token_type_count', 1),
      entry.bool('tokenizer.ggml.remove_extra_whitespaces', true),
      entry.numbers('tokenizer.ggml.precompiled_charsmap', charsmap),
      entry.uint32('tokenizer.ggml.bos_token_id', 0),
      entry.uint32('tokenizer.ggml.eos_token_id', 2),
      entry.uint32('tokenizer.ggml.unknown_token_id', 3),
      entry.uint32('tokenizer.ggml.seperator_token_id', 2),
      entry.uint32('tokenizer.ggml.padding_token_id', 1),
      entry.uint32('tokenizer.ggml.cls_token_id', 0),
      entry.uint32('tokenizer.ggml.mask_token_id', mask),
      entry.bool('tokenizer.ggml.add_bos_token', true),
      entry.bool('tokenizer.ggml.add_eos_token', true),
    ],
  }
}

/** The keys of llama.cpp's converter for `BertModel`. */
async function readWordPiece(file: GgufFile, limit?: number): Promise<Vocabulary> {
  const tokens = await file.strings('tokenizer.ggml.tokens')
  const types = await file.numbers('tokenizer.ggml.token_type')
  if (tokens === undefined || !isTyped(types, 'Int32Array') || types.length !== tokens.length) {
    throw new ModelLoadError(`${file.path} does not hold a WordPiece vocabulary.`)
  }
  // The special tokens are 0 and 100 to 103.
  const size = checkedLimit(limit ?? tokens.length, tokens.length)
  return {
    size,
    entries: [
      entry.uint32('tokenizer.ggml.token_type_count', 2),
      entry.string('tokenizer.ggml.model', 'bert'),
      entry.string('tokenizer.ggml.pre', file.string('tokenizer.ggml.pre') ?? 'default'),
      entry.strings('tokenizer.ggml.tokens', tokens.take(size)),
      entry.numbers('tokenizer.ggml.token_type', types.slice(0, size)),
      entry.uint32('tokenizer.ggml.unknown_token_id', 100),
      entry.uint32('tokenizer.ggml.seperator_token_id', 102),
      entry.uint32('tokenizer.ggml.padding_token_id', 0),
      entry.uint32('tokenizer.ggml.cls_token_id', 101),
      entry.uint32('tokenizer.ggml.mask_token_id', 103),
    ],
  }
}

function checkedLimit(limit: number, available: number): number {
  if (!Number.isInteger(limit) || limit < 128 || limit > available) {
    throw new InvalidInputError(`vocabSize must be an integer from 128 to ${available}.`)
  }
  return limit
}
