/** What a classifier takes by itself: texts alone, and pairs of texts, in any mixture. */

import { EmbedderError, InputTooLongError, InvalidInputError } from '../../common/errors.js'
import { shown } from '../../common/given.js'
import type { Engine } from '../../engine/engine.js'
import {
  countAll,
  invalidText,
  type TokenizedText,
  tokenizeAll,
  yieldToEventLoop,
} from '../../engine/tokenize.js'
import { throwFailures } from './given.js'
import { betweenTexts, type Pair, type PairLimit, tokenizePairs, tooLong } from './pairs.js'
import type { ClassifierInput } from './types.js'

/** @throws InvalidInputError for what is no array; BatchError for what is neither a text nor a pair of texts */
export function checkClassifierInputs(inputs: unknown): void {
  if (!Array.isArray(inputs)) {
    throw new InvalidInputError(
      `The inputs must be an array of texts and pairs of texts, not ${shown(inputs)}.`,
    )
  }
  throwFailures(inputs.map(invalidInput))
}

function invalidInput(input: unknown, index: number): InvalidInputError | undefined {
  if (!Array.isArray(input)) return invalidText(input, index, 'The input')
  if (input.length !== 2) {
    const what = `The input at index ${index} must be a text or a pair of texts, not ${input.length}.`
    return new InvalidInputError(what, { index })
  }
  return invalidText(input[0], index, 'The input') ?? invalidText(input[1], index, 'The input')
}

/** The tokens of each input, or its error. */
export async function tokenizeInputs(
  engine: Engine,
  inputs: readonly ClassifierInput[],
  limit: PairLimit,
): Promise<(Pair | EmbedderError)[]> {
  const found: (Pair | EmbedderError)[] = []
  for (const [index, input] of inputs.entries()) {
    const one = await (typeof input === 'string'
      ? tokenizeAlone(engine, input, limit)
      : tokenizePairs(engine, input[0], [input[1]], limit).then(([pair]) => pair as Pair)
    ).catch((error: unknown) => {
      if (error instanceof EmbedderError) return error
      throw error
    })
    found.push(one instanceof EmbedderError ? atIndex(one, index) : one)
    // short ones are tokenized without a turn of the event loop
    await yieldToEventLoop()
  }
  return found
}

/** Tokens that begin and end a text. */
const ENDS = 2

/** `<s> text </s>`: of the first token type as a whole. */
async function tokenizeAlone(
  { tokenizer }: Engine,
  text: string,
  { maxTokens, truncate, signal }: PairLimit,
): Promise<Pair | EmbedderError> {
  const [one] = await tokenizeAll(tokenizer, [text], {
    maxTokens,
    truncate: truncate === 'error' ? 'error' : 'end',
    signal,
    positions: [0],
  })
  if (one instanceof EmbedderError) return tooLong(one, ENDS, maxTokens)
  const { ids } = one as TokenizedText
  return { ids, first: ids.length }
}

/** Of a query too long for any document as of one pair that is too long: the input it was. */
function atIndex(error: EmbedderError, index: number): EmbedderError {
  if (!(error instanceof InputTooLongError)) return error
  const { tokenCount, maxTokens } = error
  return new InputTooLongError(
    error.message.replace(
      /^The (query|text|pair with the document at index 0)/,
      `The input at index ${index}`,
    ),
    { index, tokenCount, maxTokens },
  )
}

/**
 * Tokens of each input as a whole, special ones included. A text that is in many is counted once.
 *
 * @param atMost a text is read until it has more
 */
export async function countInputs(
  engine: Engine,
  inputs: readonly ClassifierInput[],
  atMost?: number,
): Promise<number[]> {
  const texts = [...new Set(inputs.flat())]
  const counts = (await countAll(engine.tokenizer, texts, false, { atMost })) as number[]
  const of = new Map(texts.map((text, i) => [text, counts[i] as number]))
  // each text has been counted with a token at either end
  const more = betweenTexts(engine) - 2
  return inputs.map((input) => {
    if (typeof input === 'string') return of.get(input) as number
    return (of.get(input[0]) as number) + (of.get(input[1]) as number) + more
  })
}
