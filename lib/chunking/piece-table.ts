/**
 * How many tokens lie between two places of a text, without asking the tokenizer again: every piece is
 * counted once, and within a piece tokens are taken as evenly spread.
 *
 * The sum over pieces is not the count of the whole — a tokenizer merges across borders, and
 * SentencePiece puts a `▁` before each text — so this is where to look, and what is found is measured.
 */
import { type AbortSignalLike, throwIfAborted } from '../common/abort.js'
import { InvalidInputError } from '../common/errors.js'
import { type Borders, codePointBorder } from './borders.js'
import type { TokenCounter } from './types.js'

/** Longer sentences are counted in parts, so that dense and sparse passages of them are told apart. */
const MAX_PIECE = 1024
/** Pieces counted at a time. */
const PIECES_A_CALL = 2048

/** Checks what a tokenizer answers: it may be anybody's. */
export async function countTokens(
  tokenizer: TokenCounter,
  texts: readonly string[],
): Promise<readonly number[]> {
  const counts = await tokenizer.countTokens(texts)
  const isGood =
    Array.isArray(counts) &&
    counts.length === texts.length &&
    counts.every((count) => Number.isInteger(count) && count >= 0)
  if (!isGood) {
    throw new InvalidInputError('The tokenizer’s countTokens(texts) must give an integer per text.')
  }
  return counts
}

export class PieceTable {
  /** Where pieces start, and the end of the text. */
  readonly #places: number[]
  /** Tokens before each of them. */
  readonly #tokens: Float64Array

  private constructor(places: number[], tokens: Float64Array) {
    this.#places = places
    this.#tokens = tokens
  }

  /** @param specials tokens that the tokenizer adds to every text */
  static async count(
    text: string,
    borders: Borders,
    tokenizer: TokenCounter,
    options: { specials: number; signal: AbortSignalLike | undefined },
  ): Promise<PieceTable> {
    const places = piecesOf(text, borders.positions)
    const tokens = new Float64Array(places.length)
    const pieces = places.length - 1
    for (let from = 0; from < pieces; from += PIECES_A_CALL) {
      throwIfAborted(options.signal)
      const to = Math.min(from + PIECES_A_CALL, pieces)
      const texts = places
        .slice(from, to)
        .map((start, i) => text.slice(start, places[from + i + 1]))
      const counts = await countTokens(tokenizer, texts)
      counts.forEach((count, i) => {
        const own = Math.max(0, count - options.specials)
        tokens[from + i + 1] = (tokens[from + i] as number) + own
      })
    }
    return new PieceTable(places, tokens)
  }

  /** Tokens before a place. */
  tokensBefore(place: number): number {
    return interpolate(this.#places, this.#tokens, place)
  }

  /** The last place with at most so many tokens before it. */
  placeOf(tokens: number): number {
    return Math.floor(interpolate(this.#tokens, this.#places, tokens))
  }
}

function piecesOf(text: string, positions: readonly number[]): number[] {
  const places = [0]
  for (let i = 0; i <= positions.length; i++) {
    const end = positions[i] ?? text.length
    for (let at = places.at(-1) as number; end - at > MAX_PIECE; ) {
      at = codePointBorder(text, at + MAX_PIECE)
      places.push(at)
    }
    if (end > (places.at(-1) as number)) places.push(end)
  }
  return places
}

/** y at x, where `xs` ascends; of several equal x the last counts. */
function interpolate(xs: ArrayLike<number>, ys: ArrayLike<number>, x: number): number {
  const next = upperBound(xs, x)
  if (next === 0) return ys[0] as number
  if (next === xs.length) return ys[next - 1] as number
  const [x0, x1] = [xs[next - 1] as number, xs[next] as number]
  const [y0, y1] = [ys[next - 1] as number, ys[next] as number]
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0)
}

/** The first index whose value is above `x`. */
export function upperBound(values: ArrayLike<number>, x: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] as number) <= x) low = middle + 1
    else high = middle
  }
  return low
}
