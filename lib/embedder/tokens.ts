/** What an embedder and a tokenizer say of tokens: from text to ids, and back. */

import { BatchError, EmbedderError, InvalidInputError } from '../common/errors.js'
import { checkNumbers, refuseUnknown } from '../common/given.js'
import { failuresOf, withoutErrors } from '../common/item-errors.js'
import type {
  CountOptions,
  DecodeOptions,
  PlacedToken,
  TokenizeOptions,
  TokenizeResult,
  TokenPiece,
} from '../common/types.js'
import {
  countAll,
  invalidText,
  type TokenizedText,
  tokenizeAll,
  yieldToEventLoop,
} from '../engine/tokenize.js'
import type { NativeTokenizer } from '../native/addon.js'
import { fromNative } from '../native/errors.js'
import { checkOptions } from '../options/table.js'
import type { SparseInput } from '../scoring/outputs-of.js'
import { checkedSparse } from '../scoring/sparse.js'
import { checkAtMost } from './count-options.js'

/** Stands for a space in front of a piece. */
const SPACE_MARK = '\u2581'

/** What the WordPiece decoder of Hugging Face's `tokenizers` joins to the word in front. */
const CLEAN_UP = / ([.?!,])/g

/** See `Embedder.tokenize`. */
export async function tokenizeText(
  tokenizer: NativeTokenizer,
  text: string,
  options: TokenizeOptions = {},
): Promise<TokenizeResult> {
  refuseUnknown(options, ['maxTokens', 'truncate', 'pieces'], 'tokenize')
  const { pieces, ...limit } = options
  const names = ['maxTokens', 'truncate']
  const { maxTokens, truncate } = checkOptions(limit, { names, of: 'tokenize' })
  if (pieces !== undefined && typeof pieces !== 'boolean') {
    throw new InvalidInputError('The option `pieces` must be true or false.')
  }
  const invalid = invalidText(text)
  if (invalid) throw invalid
  const [result] = await tokenizeAll(
    tokenizer,
    [text],
    {
      maxTokens: maxTokens ?? 0,
      truncate: truncate ?? (maxTokens ? 'error' : 'end'),
      spans: pieces === true,
      positions: [0],
    },
    true,
  )
  await yieldToEventLoop()
  if (result instanceof EmbedderError) throw result
  const { ids, spans, truncated } = result as TokenizedText
  const found = { ids: Uint32Array.from(ids), truncated: maxTokens ? truncated : false }
  return spans ? { ...found, pieces: await placed(tokenizer, found.ids, spans) } : found
}

async function placed(
  tokenizer: NativeTokenizer,
  ids: Uint32Array,
  spans: Uint32Array,
): Promise<PlacedToken[]> {
  const found: PlacedToken[] = []
  await eachPiece(tokenizer, ids, (piece, i) => {
    found.push({ ...piece, start: spans[2 * i] as number, end: spans[2 * i + 1] as number })
  })
  return found
}

/** See `Embedder.countTokens`. */
export async function countTexts(
  tokenizer: NativeTokenizer,
  input: string | readonly string[],
  options: CountOptions = {},
): Promise<number | number[]> {
  const atMost = checkAtMost(options)
  const isList = Array.isArray(input)
  const counts = await countAll(tokenizer, isList ? input : [input], !isList, { atMost })
  const failures = failuresOf(counts)
  if (!isList) {
    if (failures[0]) throw failures[0].error
    return counts[0] as number
  }
  if (failures.length > 0) throw new BatchError(failures, counts.map(withoutErrors))
  return counts as number[]
}

/** Pieces that are made, a string each, before others get their turn of the event loop: about a millisecond. */
const SLICE_IDS = 1024

/** See `Embedder.pieces`. */
export async function piecesOf(
  tokenizer: NativeTokenizer,
  ids: ArrayLike<number>,
): Promise<TokenPiece[]> {
  const found: TokenPiece[] = []
  await eachPiece(tokenizer, ids, (piece) => found.push(piece))
  return found
}

async function eachPiece(
  tokenizer: NativeTokenizer,
  ids: ArrayLike<number>,
  visit: (piece: TokenPiece, index: number) => void,
): Promise<void> {
  checkNumbers(ids, 'Token ids')
  const { vocabSize } = tokenizer.info()
  const known = Uint32Array.from(ids as ArrayLike<number>, (id) => {
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) return id
    throw new InvalidInputError(`There is no token ${id}: ids are below ${vocabSize}.`)
  })
  for (let from = 0; from < known.length; from += SLICE_IDS) {
    if (from > 0) await yieldToEventLoop()
    const slice = known.subarray(from, from + SLICE_IDS)
    const { pieces, special } = piecesFrom(tokenizer, slice)
    for (let i = 0; i < slice.length; i++) {
      const piece = pieces[i] as string
      const isSpecial = special[i] === 1
      const text = isSpecial ? '' : piece.replaceAll(SPACE_MARK, ' ')
      visit({ id: slice[i] as number, piece, text, special: isSpecial }, from + i)
    }
  }
}

/** @throws DisposedError when it was given back between two slices */
function piecesFrom(tokenizer: NativeTokenizer, ids: Uint32Array) {
  try {
    return tokenizer.pieces(ids)
  } catch (error) {
    throw fromNative(error)
  }
}

/** See `Embedder.decode`. */
export async function decodeIds(
  tokenizer: NativeTokenizer,
  ids: ArrayLike<number>,
  options: DecodeOptions = {},
): Promise<string> {
  refuseUnknown(options, ['specialTokens'], 'decode')
  const { specialTokens = false } = options
  let words = ''
  await eachPiece(tokenizer, ids, ({ piece, text, special }) => {
    words += special && specialTokens ? piece : text
  })
  const joined = words.replace(/^ /, '')
  const isUnigram = tokenizer.info().vocabulary === 'unigram'
  return isUnigram ? joined : joined.replace(CLEAN_UP, '$1')
}

/** See `Embedder.lexicalWeights`. */
export async function wordWeights(
  tokenizer: NativeTokenizer,
  embedding: SparseInput,
): Promise<Map<string, number>> {
  const sparse = checkedSparse(embedding)
  // the caller's, who may change them meanwhile
  const values = Array.from(sparse.values)
  const weights = new Map<string, number>()
  await eachPiece(tokenizer, sparse.indices, ({ piece }, i) => {
    const word = piece.replaceAll(SPACE_MARK, ' ').replace(/^ /, '')
    weights.set(word, Math.max(weights.get(word) ?? 0, values[i] as number))
  })
  return weights
}
