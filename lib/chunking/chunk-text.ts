/** Text to chunks that a model takes: cut by tokens, at the best borders there are. */

import { type AbortSignalLike, throwIfAborted } from '../common/abort.js'
import { InvalidInputError } from '../common/errors.js'
import { checkSignal, namesOf, refuseUnknown } from '../common/given.js'
import { performance, turn } from '../common/timers.js'
import { isWellFormed } from '../common/utf8.js'
import { type Borders, codePointBorder, findBorders, LocalBorders, Rank } from './borders.js'
import { countTokens, PieceTable, upperBound } from './piece-table.js'
import type { ChunkTextOptions, TextChunk, TokenCounter } from './types.js'

const NAMES = namesOf<ChunkTextOptions>({
  tokenizer: 1,
  maxTokens: 1,
  overlap: 1,
  language: 1,
  signal: 1,
})
/** Tokens of a chunk where nothing is said. */
export const DEFAULT_MAX_TOKENS = 500
const DEFAULT_OVERLAP = 50
/** A chunk that could be larger still ends at such a border, if it is filled to this part. */
const ENOUGH: readonly [rank: number, part: number][] = [
  [Rank.paragraph, 0.5],
  [Rank.sentence, 0.33],
  [Rank.line, 0.33],
]
/** As above, for words; below it a word is cut. */
const WORD_PART = 0.33
/** What is repeated starts with a sentence if that keeps this part of the overlap asked for. */
const FAR_ENOUGH = 0.4
const OVERLAP_TRIES = 4
/** Milliseconds of work after which timers and input get their turn. */
const BREATH_MS = 8

/**
 * Cuts a text into chunks of at most `maxTokens` tokens, `<s>` and `</s>` included, as the tokenizer
 * itself counts them. A chunk ends behind a paragraph, else a sentence, a line, a word, a grapheme; a
 * grapheme is cut only if it alone is over the limit, a surrogate pair never. Each chunk repeats up to
 * `overlap` tokens of the one before it, from the start of a sentence where that is near, else of a
 * word.
 *
 * The chunks cover the text: what each adds to the one before, joined, is the text. The empty text
 * has none. Time is linear in the text; the event loop is not held up.
 *
 * @throws InvalidInputError for wrong options, for a text that is no string or no Unicode, and where
 *   not even one character fits into `maxTokens`
 * @example
 * const chunks = await chunkText('A long text.', { tokenizer: m3, maxTokens: 500, overlap: 50 })
 */
export async function chunkText(text: string, options: ChunkTextOptions): Promise<TextChunk[]> {
  const checked = check(text, options)
  const { tokenizer, maxTokens, signal, language } = checked
  throwIfAborted(signal)
  const [specials] = (await countTokens(tokenizer, [''])) as [number]
  if (specials >= maxTokens) {
    throw new InvalidInputError(
      `maxTokens is ${maxTokens}, and the tokenizer adds ${specials} tokens to every text.`,
    )
  }
  if (text === '') return []
  const yieldToEventLoop = yielder(signal)
  const borders = await findBorders(text, language, yieldToEventLoop)
  const table = await PieceTable.count(text, borders, tokenizer, { specials, signal })
  const cutter = new Cutter(text, { ...checked, specials, borders, table })
  const chunks: TextChunk[] = []
  for (;;) {
    const chunk = await cutter.next(chunks.at(-1))
    chunks.push(chunk)
    if (chunk.end === text.length) return chunks
    await yieldToEventLoop()
  }
}

interface Checked {
  tokenizer: TokenCounter
  maxTokens: number
  overlap: number
  language: string
  signal: AbortSignalLike | undefined
}

function check(text: unknown, options: ChunkTextOptions): Checked {
  if (typeof text !== 'string') {
    throw new InvalidInputError('chunkText takes a text, which must be a string.')
  }
  if (!isWellFormed(text)) {
    throw new InvalidInputError(
      'The text holds a lone surrogate, so it is no Unicode text; text.toWellFormed() replaces them.',
    )
  }
  refuseUnknown(options, NAMES, 'chunkText')
  const { tokenizer, language = 'en', signal } = options
  checkSignal(signal)
  if (typeof tokenizer?.countTokens !== 'function') {
    throw new InvalidInputError(
      'chunkText needs `tokenizer`: an Embedder, or anything with countTokens(texts).',
    )
  }
  const { maxTokens = DEFAULT_MAX_TOKENS } = options
  if (!Number.isInteger(maxTokens) || maxTokens < 3) {
    throw new InvalidInputError('The option `maxTokens` must be an integer of at least 3.')
  }
  const { overlap = Math.min(DEFAULT_OVERLAP, Math.floor(maxTokens / 10)) } = options
  if (!Number.isInteger(overlap) || overlap < 0 || overlap > maxTokens / 2) {
    throw new InvalidInputError(
      'The option `overlap` must be an integer from 0 to half of `maxTokens`.',
    )
  }
  try {
    Intl.getCanonicalLocales(language)
  } catch (cause) {
    throw new InvalidInputError('The option `language` must be a BCP 47 language tag.', { cause })
  }
  return { tokenizer, maxTokens, overlap, language, signal }
}

interface CutterOptions extends Checked {
  specials: number
  borders: Borders
  table: PieceTable
}

class Cutter {
  readonly #text: string
  readonly #options: CutterOptions
  readonly #local: LocalBorders

  constructor(text: string, options: CutterOptions) {
    this.#text = text
    this.#options = options
    this.#local = new LocalBorders(text, options.language)
  }

  /** The chunk after `last`. */
  async next(last: TextChunk | undefined): Promise<TextChunk> {
    if (!last) return (await this.#chunkFrom(0, 0)) as TextChunk
    const start = await this.#overlapStart(last)
    // what is repeated may leave no room for anything new
    const chunk = start < last.end ? await this.#chunkFrom(start, last.end) : undefined
    return chunk ?? ((await this.#chunkFrom(last.end, last.end)) as TextChunk)
  }

  /**
   * The longest good chunk that starts here and ends behind `covered`, where the last one ended; none
   * if there is no room for that.
   */
  async #chunkFrom(start: number, covered: number): Promise<TextChunk | undefined> {
    const { maxTokens, specials, table } = this.#options
    const room = maxTokens - specials
    let limit = table.placeOf(table.tokensBefore(start) + room)
    let fits: TextChunk | undefined
    /** The shortest end that was measured and is too far. */
    let over = Number.POSITIVE_INFINITY
    for (let tries = 0; ; tries++) {
      const end = this.#endNear(start, covered, { limit, over })
      if (fits && (end === undefined || end <= fits.end)) return fits
      if (end === undefined) return this.#noRoom(start, covered)
      const text = this.#text.slice(start, end)
      const [tokenCount] = (await countTokens(this.#options.tokenizer, [text])) as [number]
      const used = Math.max(1, tokenCount - specials)
      const scale = room / used
      if (tokenCount <= maxTokens) {
        fits = { text, start, end, tokenCount }
        // room left, and not because a good border was preferred: the estimate was too high
        const isShort = used < 0.85 * room && end - start > 0.9 * (limit - start)
        if (!isShort || end === this.#text.length) return fits
        limit = Math.min(start + Math.floor((end - start) * scale), over - 1)
      } else {
        if (fits) return fits
        over = end
        const shorter = (end - start) * (tries < 4 ? 0.99 * scale : 0.5)
        limit = Math.min(start + Math.floor(shorter), over - 1)
      }
    }
  }

  #noRoom(start: number, covered: number): undefined {
    if (start < covered) return undefined
    throw new InvalidInputError(
      `The character at offset ${start} of the text alone has more than ${this.#options.maxTokens} tokens ` +
        '(`maxTokens`).',
    )
  }

  /**
   * The best end behind `covered`, at most `limit` and before `over`; but at least a grapheme or, where
   * that is too much, a code point, since the limit is only an estimate.
   */
  #endNear(
    start: number,
    covered: number,
    { limit, over }: { limit: number; over: number },
  ): number | undefined {
    const text = this.#text
    if (limit >= text.length && over > text.length) return text.length
    const enough = (part: number) => Math.max(covered, start + Math.floor(part * (limit - start)))
    if (limit > covered) {
      const found =
        this.#structural(start, enough, limit) ??
        this.#local.lastWord(start, enough(WORD_PART), limit) ??
        this.#local.lastGrapheme(start, covered, limit)
      if (found !== undefined) return found
    }
    const grapheme = this.#local.firstGrapheme(start, covered + 1, text.length)
    if (grapheme !== undefined && grapheme < over) return grapheme
    const place = codePointBorder(text, Math.max(limit, covered))
    if (place > covered && place < over) return place
    const least = covered + ((text.codePointAt(covered) as number) > 0xffff ? 2 : 1)
    return least < over ? least : undefined
  }

  /** The last paragraph, sentence or line that ends in time and leaves the chunk filled enough. */
  #structural(start: number, enough: (part: number) => number, limit: number): number | undefined {
    const { positions, ranks } = this.#options.borders
    const last = upperBound(positions, limit) - 1
    for (const [rank, part] of ENOUGH) {
      const least = enough(part)
      for (let i = last; i >= 0 && (positions[i] as number) > least; i--) {
        const place = positions[i] as number
        if ((ranks[i] as number) >= rank && this.#local.isGrapheme(start, place)) return place
      }
    }
    return undefined
  }

  /** Where the chunk after `last` starts: inside it, or at its end. */
  async #overlapStart(last: TextChunk): Promise<number> {
    const { overlap, specials, table, tokenizer } = this.#options
    if (overlap === 0) return last.end
    const place = table.placeOf(table.tokensBefore(last.end) - overlap)
    let from = Math.max(place, last.start) + 1
    for (let tries = 0; tries < OVERLAP_TRIES; tries++) {
      const start = this.#startNear(last.start, from, last.end)
      if (start === undefined) break
      const [count] = (await countTokens(tokenizer, [this.#text.slice(start, last.end)])) as [
        number,
      ]
      const used = count - specials
      if (used <= 0) break
      if (used <= overlap) return start
      from = start + Math.max(1, Math.ceil((last.end - start) * (1 - overlap / used)))
    }
    return last.end
  }

  /** The best place to start in [from, end): a sentence that is not far, a word, a grapheme. */
  #startNear(known: number, from: number, end: number): number | undefined {
    const { positions } = this.#options.borders
    const latest = end - FAR_ENOUGH * (end - from)
    for (let i = upperBound(positions, from - 1); i < positions.length; i++) {
      const place = positions[i] as number
      if (place > latest) break
      if (this.#local.isGrapheme(known, place)) return place
    }
    return this.#local.firstWord(known, from, end) ?? this.#local.firstGrapheme(known, from, end)
  }
}

/** Gives control back when it has been kept for a while. */
function yielder(signal: AbortSignalLike | undefined): () => Promise<void> {
  let last = performance.now()
  return async () => {
    throwIfAborted(signal)
    if (performance.now() - last < BREATH_MS) return
    await turn()
    last = performance.now()
  }
}
