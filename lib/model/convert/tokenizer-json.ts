/** A unigram vocabulary from Hugging Face's `tokenizer.json`. */

import { ModelLoadError } from '../../common/errors.js'
import { PieceType } from '../formats/sentencepiece.js'
import { asObject, readJson } from './json.js'
import { UNUSED_SCORE, type Vocabulary } from './vocabulary.js'

export const TOKENIZER_JSON = 'tokenizer.json'

type Json = Record<string, unknown>

const SPECIALS = ['<s>', '<pad>', '</s>', '<unk>']

/**
 * Rows of the token table beyond its pieces stand for nothing, as multilingual-e5-small's do.
 *
 * @throws ModelLoadError when it is no unigram tokenizer with XLM-R's specials, or has more than `rows` ids
 */
export async function readTokenizerJson(directory: string, rows: number): Promise<Vocabulary> {
  const json = asObject(await readJson(directory, TOKENIZER_JSON), TOKENIZER_JSON)
  const model = asObject(json.model, `${TOKENIZER_JSON}: model`)
  // Files written before the type was recorded have a unigram's list of [piece, score] all the same.
  if ((model.type ?? 'Unigram') !== 'Unigram' || !Array.isArray(model.vocab)) {
    throw invalid('is not a unigram tokenizer')
  }
  if (model.vocab.length > rows) {
    throw invalid(`has ${model.vocab.length} pieces, the token table ${rows} rows`)
  }
  const tokens: string[] = []
  const scores = new Float32Array(rows).fill(UNUSED_SCORE)
  for (const [id, item] of (model.vocab as unknown[]).entries()) {
    const [piece, score] = Array.isArray(item) ? (item as unknown[]) : []
    if (typeof piece !== 'string' || typeof score !== 'number' || !Number.isFinite(score)) {
      throw invalid(`has no valid piece at id ${id}`)
    }
    tokens.push(piece)
    scores[id] = score
  }
  if (SPECIALS.some((special, id) => tokens[id] !== special)) {
    throw invalid(`does not begin with ${SPECIALS.join(' ')}, as XLM-RoBERTa's does`)
  }
  const pieces = tokens.length
  for (let id = pieces; id < rows; id++) tokens.push(`[PAD${id - 1}]`)
  const mask = tokens.lastIndexOf('<mask>')
  const tokenizerConfig = await readJson(directory, 'tokenizer_config.json', true)
  const cleanUp = (tokenizerConfig as Json | null | undefined)?.clean_up_tokenization_spaces
  return {
    source: TOKENIZER_JSON,
    tokens,
    scores,
    types: readTypes(json.added_tokens, tokens, pieces),
    charsmap: readCharsmap(json.normalizer),
    mask: mask < 0 ? undefined : mask,
    addSpacePrefix: readPrefix(json.pre_tokenizer),
    // As llama.cpp's converter takes it; transformers' default is true.
    removeExtraWhitespaces: cleanUp !== false,
  }
}

function readTypes(added: unknown, tokens: readonly string[], pieces: number): Int32Array {
  const types = new Int32Array(tokens.length).fill(PieceType.NORMAL)
  types.fill(PieceType.UNUSED, pieces)
  for (const item of Array.isArray(added) ? (added as (Json | null)[]) : []) {
    const id = item?.id
    if (typeof id !== 'number' || tokens[id] === undefined || tokens[id] !== item?.content) {
      throw invalid('adds a token that its vocabulary does not have')
    }
    types[id] = item.special === true ? PieceType.CONTROL : PieceType.USER_DEFINED
  }
  types.set([PieceType.CONTROL, PieceType.CONTROL, PieceType.CONTROL, PieceType.UNKNOWN])
  return types
}

/** The one normaliser of type `Precompiled`, alone or in a sequence. */
function readCharsmap(normalizer: unknown): Uint8Array {
  for (const part of flatten(normalizer, 'normalizers')) {
    if (part.type !== 'Precompiled') continue
    const text = part.precompiled_charsmap
    if (typeof text !== 'string') break
    const bytes = Buffer.from(text, 'base64')
    if (bytes.toString('base64') !== text) throw invalid('has a damaged precompiled_charsmap')
    return new Uint8Array(bytes)
  }
  throw invalid('has no Precompiled normalizer')
}

/** Whether `▁` goes before the first word. Older files say so by a flag, newer ones by a scheme. */
function readPrefix(preTokenizer: unknown): boolean {
  const metaspace = flatten(preTokenizer, 'pretokenizers').find(({ type }) => type === 'Metaspace')
  return metaspace?.add_prefix_space !== false && metaspace?.prepend_scheme !== 'never'
}

/** A component, or the components of a `Sequence`. */
function flatten(component: unknown, list: string): Json[] {
  if (typeof component !== 'object' || component === null) return []
  const parts = (component as Json)[list]
  if (!Array.isArray(parts)) return [component as Json]
  return parts.filter((part): part is Json => typeof part === 'object' && part !== null)
}

function invalid(reason: string): ModelLoadError {
  return new ModelLoadError(`${TOKENIZER_JSON} ${reason}.`)
}
