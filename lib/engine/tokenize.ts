/** Texts to token ids, off the event loop and in slices, so that a large array never blocks it. */

import { type AbortSignalLike, throwIfAborted } from '../common/abort.js'
import { type EmbedderError, InputTooLongError, InvalidInputError } from '../common/errors.js'
import { typeName } from '../common/given.js'
import { ownTurn, performance } from '../common/timers.js'
import { isWellFormed } from '../common/utf8.js'
import { type NativeTokenizer, type NativeTokens, TokenizeMode } from '../native/addon.js'
import { fromNative } from '../native/errors.js'

/** UTF-16 units handed to the native side at once: converting them takes about a millisecond. */
const SLICE_UNITS = 256 * 1024
const SLICE_TEXTS = 2048

/**
 * UTF-16 units from which on texts are tokenized one after the other in this process: a word takes 4 bytes a
 * byte and more while it is cut, and a thread each would take the processor from the event loop.
 */
const LARGE_UNITS = 1 << 20
let lastLarge: Promise<unknown> = Promise.resolve()

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = lastLarge.then(work)
  lastLarge = mine.catch(() => {})
  return mine
}

export interface TokenizedText {
  ids: Int32Array
  /** Begin and end of each id in the text, in UTF-16 units, if asked for. */
  spans?: Uint32Array
  truncated: boolean
  /** Its share of the time that its slice took. */
  tokenizeMs: number
}

export interface TokenizeOptions {
  maxTokens: number
  truncate: 'error' | 'end'
  /** Whether to tell where tokens stand. */
  spans?: boolean
  signal?: AbortSignalLike | undefined
  /** Positions in `texts` to tokenize, all of them texts; the others are left out of the result. */
  positions: readonly number[]
}

/**
 * An error for what is not an embeddable text: not a string, or not Unicode (lone surrogates).
 * The empty text and NUL are texts like any other.
 */
export function invalidText(
  text: unknown,
  index?: number,
  name = 'The text',
): InvalidInputError | undefined {
  const where = index === undefined ? name : `${name} at index ${index}`
  if (typeof text !== 'string') {
    return new InvalidInputError(`${where} must be a string, not of type ${typeName(text)}.`, {
      index,
    })
  }
  if (!isWellFormed(text)) {
    return new InvalidInputError(
      `${where} holds a lone surrogate, so it is no Unicode text; text.toWellFormed() replaces them.`,
      { index },
    )
  }
  return undefined
}

/** The tokenizer reads a text that is refused until it has so many times its limit (tokenizer.h's kCountedTimes). */
const COUNTED_TIMES = 32

/**
 * A number of tokens for a message.
 *
 * @param more tokens that stand beside the text's own
 */
export function tokensInWords(tokens: number, maxTokens: number, more = 0): string {
  const most = COUNTED_TIMES * maxTokens
  return tokens > most ? `more than ${most + more}` : String(tokens + more)
}

export function tooLong(tokens: number, maxTokens: number, index?: number): InputTooLongError {
  const where = index === undefined ? 'The text' : `The text at index ${index}`
  return new InputTooLongError(
    `${where} has ${tokensInWords(tokens, maxTokens)} tokens, and the limit is ${maxTokens}. Cut it into chunks, or pass truncate: 'end'.`,
    { index, tokenCount: tokens, maxTokens },
  )
}

/**
 * Token ids that a caller gave, between the tokens that begin and end every text (`frame`).
 *
 * @throws InvalidInputError for what is no id of the vocabulary
 */
export function framed(
  ids: ArrayLike<number>,
  frame: ArrayLike<number>,
  { vocabSize, index }: { vocabSize: number; index: number },
): Int32Array {
  if (!Array.isArray(ids) && !(ArrayBuffer.isView(ids) && !(ids instanceof DataView))) {
    throw new InvalidInputError(
      `The tokens at index ${index} must be an array of ids, not of type ${typeName(ids)}.`,
      { index },
    )
  }
  const bad = Array.from(ids).some((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize)
  if (bad) {
    throw new InvalidInputError(
      `The tokens at index ${index} hold a number that is no id of the vocabulary (0 to ${vocabSize - 1}).`,
      { index },
    )
  }
  const first = frame[0] as number
  const last = frame[1] as number
  const before = ids.length > 0 && ids[0] === first ? [] : [first]
  const after = ids.length > 1 && ids[ids.length - 1] === last ? [] : [last]
  return Int32Array.from([...before, ...Array.from(ids), ...after])
}

/** Milliseconds of tokenizing after which timers and input get their turn. */
const BREATH_MS = 5
let lastBreath = 0

/**
 * For work that resolves without a turn of the event loop (short texts are tokenized at once, and cached
 * ones need no engine): a caller that awaits one after the other would keep it from ever turning.
 */
export async function yieldToEventLoop(): Promise<void> {
  if (performance.now() - lastBreath < BREATH_MS) return
  await ownTurn()
  lastBreath = performance.now()
}

interface Slice {
  /** Positions in the caller's array. */
  indices: number[]
  tokens: NativeTokens
  milliseconds: number
}

/**
 * Positions of what is a text, and an error in `out` for each that is none. The event loop turns
 * meanwhile, and the signal is looked at.
 */
export async function checkTexts(
  texts: readonly unknown[],
  out: unknown[],
  { single, signal }: { single: boolean; signal?: AbortSignalLike | undefined },
): Promise<number[]> {
  const good: number[] = []
  for (let index = 0; index < texts.length; index++) {
    const error = invalidText(texts[index], single ? undefined : index)
    if (error) out[index] = error
    else good.push(index)
    if (index % 1024 === 1023) {
      throwIfAborted(signal)
      await yieldToEventLoop()
    }
  }
  return good
}

/**
 * Hands texts to the native tokenizer, slice by slice. Small slices resolve at once, so timers get their
 * turn in between.
 */
async function eachSlice(
  tokenizer: NativeTokenizer,
  texts: readonly unknown[],
  options: {
    maxTokens: number
    mode: number
    spans?: boolean
    signal?: AbortSignalLike | undefined
    positions: readonly number[]
  },
  visit: (slice: Slice) => void,
): Promise<void> {
  const { positions } = options
  for (let from = 0; from < positions.length; ) {
    throwIfAborted(options.signal)
    const indices: number[] = []
    const slice: string[] = []
    let units = 0
    for (; from < positions.length && indices.length < SLICE_TEXTS && units < SLICE_UNITS; from++) {
      const index = positions[from] as number
      const text = texts[index] as string
      indices.push(index)
      slice.push(text)
      units += text.length
    }
    const started = performance.now()
    let tokens: NativeTokens
    try {
      const tokenize = () =>
        tokenizer.tokenize(slice, options.maxTokens, options.mode, options.spans)
      tokens = await (units < LARGE_UNITS ? tokenize() : inTurn(tokenize))
    } catch (error) {
      throw fromNative(error)
    }
    visit({ indices, tokens, milliseconds: performance.now() - started })
    if (from < positions.length) await yieldToEventLoop()
  }
}

/** The ids of the texts at `positions`, or the error of one that is too long. */
export async function tokenizeAll(
  tokenizer: NativeTokenizer,
  texts: readonly unknown[],
  { maxTokens, truncate, spans = false, signal, positions }: TokenizeOptions,
  single = false,
): Promise<(TokenizedText | EmbedderError)[]> {
  const out: (TokenizedText | EmbedderError)[] = new Array(texts.length)
  const mode = truncate === 'end' ? TokenizeMode.cut : TokenizeMode.refuse
  const options = { maxTokens, mode, spans, signal, positions }
  await eachSlice(tokenizer, texts, options, ({ indices, tokens, milliseconds }) => {
    const tokenizeMs = milliseconds / indices.length
    let at = 0
    indices.forEach((index, i) => {
      const count = tokens.counts[i] as number
      if (count === 0) {
        out[index] = tooLong(tokens.totals[i] as number, maxTokens, single ? undefined : index)
      } else {
        const ids = Int32Array.from(tokens.ids.subarray(at, at + count))
        const truncated = tokens.truncated[i] === 1
        out[index] = spans
          ? { ids, spans: tokens.spans.slice(2 * at, 2 * (at + count)), truncated, tokenizeMs }
          : { ids, truncated, tokenizeMs }
      }
      at += count
    })
  })
  return out
}

/**
 * Tokens of every text, `<s>` and `</s>` included, or the error of what is none.
 *
 * @param atMost a text is read until it has more: its count is `atMost + 1` then
 */
export async function countAll(
  tokenizer: NativeTokenizer,
  texts: readonly unknown[],
  single = false,
  {
    signal,
    positions,
    atMost,
  }: Partial<Pick<TokenizeOptions, 'signal' | 'positions'>> & { atMost?: number | undefined } = {},
): Promise<(number | EmbedderError)[]> {
  const out: (number | EmbedderError)[] = new Array(texts.length)
  const options = {
    maxTokens: atMost ?? 0,
    mode: TokenizeMode.count,
    signal,
    positions: positions ?? (await checkTexts(texts, out, { single, signal })),
  }
  await eachSlice(tokenizer, texts, options, ({ indices, tokens }) => {
    indices.forEach((index, i) => {
      const total = tokens.totals[i] as number
      out[index] = atMost === undefined ? total : Math.min(total, atMost + 1)
    })
  })
  await yieldToEventLoop()
  return out
}
