/** Texts to token ids, off the event loop and in slices, so that a large array never blocks it. */
import { EmbedderError, InputTooLongError, InvalidInputError } from '../errors.js'
import type { NativeModel } from '../native/addon.js'
import { fromNative } from '../native/errors.js'

/** UTF-16 units handed to the native side at once: converting them takes about a millisecond. */
const SLICE_UNITS = 256 * 1024
const SLICE_TEXTS = 2048

export interface TokenizedText {
  ids: Int32Array
  truncated: boolean
}

export interface TokenizeOptions {
  maxTokens: number
  truncate: 'error' | 'end'
  signal?: AbortSignal | undefined
}

/**
 * An error for what is not an embeddable text: not a string, or not Unicode (lone surrogates).
 * The empty text and NUL are texts like any other.
 */
export function invalidText(text: unknown, index?: number): InvalidInputError | undefined {
  const where = index === undefined ? 'The text' : `The text at index ${index}`
  if (typeof text !== 'string') {
    const type = text === null ? 'null' : Array.isArray(text) ? 'array' : typeof text
    return new InvalidInputError(`${where} must be a string, not of type ${type}.`, { index })
  }
  if (!isWellFormed(text)) {
    return new InvalidInputError(
      `${where} holds a lone surrogate, so it is no Unicode text; text.toWellFormed() replaces them.`,
      { index },
    )
  }
  return undefined
}

function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

function tooLong(tokens: number, maxTokens: number, index?: number): InputTooLongError {
  const where = index === undefined ? 'The text' : `The text at index ${index}`
  return new InputTooLongError(
    `${where} has ${tokens} tokens, and the limit is ${maxTokens}. Cut it into chunks, or pass truncate: 'end'.`,
    { index, tokenCount: tokens, maxTokens },
  )
}

/**
 * The ids of every text, or the error of that text; indices in errors are positions in `texts`
 * unless `single`.
 */
export async function tokenizeAll(
  model: NativeModel,
  texts: readonly unknown[],
  { maxTokens, truncate, signal }: TokenizeOptions,
  single = false,
): Promise<(TokenizedText | EmbedderError)[]> {
  const out: (TokenizedText | EmbedderError)[] = new Array(texts.length)
  for (let from = 0; from < texts.length; ) {
    signal?.throwIfAborted()
    const slice: number[] = []
    let units = 0
    for (; from < texts.length && slice.length < SLICE_TEXTS && units < SLICE_UNITS; from++) {
      const text = texts[from]
      const error = invalidText(text, single ? undefined : from)
      if (error) {
        out[from] = error
      } else {
        slice.push(from)
        units += (text as string).length
      }
    }
    if (slice.length === 0) continue
    let tokens: Awaited<ReturnType<NativeModel['tokenize']>>
    try {
      tokens = await model.tokenize(
        slice.map((i) => texts[i] as string),
        maxTokens,
        truncate === 'end',
      )
    } catch (error) {
      throw fromNative(error)
    }
    let at = 0
    slice.forEach((index, i) => {
      const count = tokens.counts[i] as number
      const total = tokens.totals[i] as number
      if (total > maxTokens && truncate === 'error') {
        out[index] = tooLong(total, maxTokens, single ? undefined : index)
      } else {
        const ids = Int32Array.from(tokens.ids.subarray(at, at + count))
        out[index] = { ids, truncated: total > maxTokens }
      }
      at += count
    })
    // small slices resolve at once, on the same tick: give timers their turn
    if (from < texts.length) await new Promise((resolve) => setImmediate(resolve))
  }
  return out
}
