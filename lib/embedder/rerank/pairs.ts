/**
 * Pairs as Hugging Face's tokenizers make them: `<s> q </s></s> d </s>` for XLM-RoBERTa,
 * `[CLS] q [SEP] d [SEP]` for BERT, where the second text has the second token type.
 */

import { EmbedderError, InputTooLongError, InvalidInputError } from '../../common/errors.js'
import type { AbortSignalLike } from '../../common/types.js'
import type { Engine } from '../../engine/engine.js'
import { countAll, type TokenizedText, tokenizeAll, tokensInWords } from '../../engine/tokenize.js'
import { asQuery } from './given.js'
import type { PairTruncation } from './types.js'

/** What is needed of an engine here. */
type Tokenizing = Pick<Engine, 'tokenizer'>

/** Tokens of a pair. */
export interface Pair {
  ids: Int32Array
  /** Tokens before the second text, special ones included: what BERT gives the first token type. */
  first: number
}

export interface PairLimit {
  maxTokens: number
  truncate: PairTruncation
  signal: AbortSignalLike | undefined
}

/** Of the limit, what FlagEmbedding leaves to the query. */
const QUERY_SHARE = 3 / 4

/** Around the two texts: the first token, and the one between and after them. */
interface Frame {
  begin: number
  end: number
  /** How often `end` stands between them. */
  between: number
}

/** How many tokens stand between the two texts of a pair. */
export function betweenTexts({ tokenizer }: Pick<Engine, 'tokenizer'>): number {
  return tokenizer.info().vocabulary === 'wordpiece' ? 1 : 2
}

/**
 * The pair of the query with each document, or that document's error.
 *
 * @param documents texts, all of them
 * @throws InputTooLongError for a query that leaves no room for a document
 */
export async function tokenizePairs(
  engine: Tokenizing,
  query: string,
  documents: readonly string[],
  limit: PairLimit,
): Promise<(Pair | EmbedderError)[]> {
  const { tokenizer } = engine
  const { truncate, maxTokens, signal } = limit
  const between = betweenTexts(engine)
  const special = 2 + between
  /** Tokens of both texts. */
  const room = maxTokens - special
  if (room < 1) {
    throw new InvalidInputError(
      `A pair has ${special} tokens around its texts, so \`maxTokens\` must be more than that.`,
    )
  }
  const cutAt = {
    error: room,
    document: Math.floor(maxTokens * QUERY_SHARE),
    // one more than can be kept tells that there were more
    longest: room + 1,
  }[truncate]
  const one = await tokenized(engine, [query], { ...limit, keep: cutAt })
  if (one[0] instanceof EmbedderError) throw asQuery(tooLong(one[0], special, maxTokens))
  const asked = one[0] as TokenizedText
  const frame: Frame = { begin: asked.ids[0] as number, end: asked.ids.at(-1) as number, between }
  const q = inner(asked)
  const left = room - q.length
  if (left < 0 && truncate !== 'longest') throw noRoom(q.length, maxTokens)

  const keep = truncate === 'longest' ? room + 1 : left
  const found = await tokenized(engine, documents, { ...limit, keep })
  if (truncate !== 'longest') {
    return found.map((each, index) =>
      each instanceof EmbedderError
        ? tooLong(each, special + q.length, maxTokens, index)
        : pairOf(q, inner(each), frame),
    )
  }
  /** Which is longer decides who gets the odd token where both are cut to a half. */
  const whole = async (text: string) =>
    (await countAll(tokenizer, [text], true, { signal, positions: [0] }))[0] as number
  const pairs: Pair[] = []
  let queryTokens: number | undefined
  for (const [index, each] of found.entries()) {
    const d = inner(each as TokenizedText)
    let isLonger = q.length > d.length
    if (q.length > room && d.length > room && room % 2 === 1) {
      queryTokens ??= await whole(query)
      isLonger = queryTokens > (await whole(documents[index] as string))
    }
    const [a, b] = longestFirst(q.length, d.length, room, isLonger)
    pairs.push(pairOf(q.subarray(0, a), d.subarray(0, b), frame))
  }
  return pairs
}

/**
 * transformers' `longest_first` as its fast tokenizers do it: how many tokens of each of two texts stay,
 * `room` in all.
 *
 * @param isLonger whether the first text is longer than the second
 */
export function longestFirst(
  first: number,
  second: number,
  room: number,
  isLonger: boolean,
): [first: number, second: number] {
  if (first + second <= room) return [first, second]
  let shorter = isLonger ? second : first
  let longer = shorter > room ? shorter : Math.max(shorter, room - shorter)
  if (shorter + longer > room) {
    shorter = Math.floor(room / 2)
    longer = shorter + (room % 2)
  }
  return isLonger ? [longer, shorter] : [shorter, longer]
}

/** At most `keep` tokens of each text; where truncation is an error, the error of a longer one. */
function tokenized(
  engine: Tokenizing,
  texts: readonly string[],
  { keep, truncate, signal }: PairLimit & { keep: number },
): Promise<(TokenizedText | EmbedderError)[]> {
  return tokenizeAll(engine.tokenizer, texts, {
    maxTokens: keep + 2,
    truncate: truncate === 'error' ? 'error' : 'end',
    signal,
    positions: texts.map((_, index) => index),
  })
}

/** Without the tokens that begin and end a text by itself. */
function inner({ ids }: TokenizedText): Int32Array {
  return ids.subarray(1, ids.length - 1)
}

function pairOf(q: Int32Array, d: Int32Array, { begin, end, between }: Frame): Pair {
  const first = 1 + q.length + between
  const ids = new Int32Array(first + d.length + 1).fill(end)
  ids[0] = begin
  ids.set(q, 1)
  ids.set(d, first)
  return { ids, first }
}

/** @param others tokens of the pair beside this text */
export function tooLong(
  error: EmbedderError,
  others: number,
  maxTokens: number,
  index?: number,
): EmbedderError {
  if (!(error instanceof InputTooLongError)) return error
  const more = others - 2
  const tokenCount = error.tokenCount + more
  const counted = tokensInWords(error.tokenCount, error.maxTokens, more)
  const what = index === undefined ? 'The text' : `The pair with the document at index ${index}`
  return new InputTooLongError(
    `${what} has ${counted} tokens, and the limit is ${maxTokens}. Pass truncate: 'document' or 'longest' to cut it.`,
    { index, tokenCount, maxTokens },
  )
}

function noRoom(tokens: number, maxTokens: number): InputTooLongError {
  return new InputTooLongError(
    `The query has ${tokens} tokens, which leaves no room for a document: the limit of a pair is ${maxTokens}.`,
    { tokenCount: tokens, maxTokens },
  )
}
