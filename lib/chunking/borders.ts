/**
 * Where a text may be cut: behind a paragraph, a sentence, a line, a word, a grapheme, a code point.
 *
 * `Intl.Segmenter` copies its whole input into every segment that it gives, so it is only ever shown
 * a few thousand units at a time; else it would take time and memory squared.
 */

/** The larger, the better the place. */
export const Rank = { line: 1, sentence: 2, paragraph: 3 } as const

/** Borders in ascending order; the start and the end of the text are none. */
export interface Borders {
  readonly positions: readonly number[]
  readonly ranks: readonly number[]
}

/** Units shown to the sentence segmenter at a time. */
const WINDOW = 2048
/** Units behind a place that decide whether it is a border. */
const LOOK_AHEAD = 64
/** Word borders tried, going back, for one that reads well. */
const TRIES = 24

const NEWLINES = /[\n\r\u0085\u2028]/g

/**
 * Paragraph, line and sentence borders of a text. A blank line, a form feed or U+2029 ends a
 * paragraph. A single newline ends a line and no more, since hard-wrapped text has them in the middle
 * of sentences. White space belongs to what stands before it. Control is given back every few
 * milliseconds.
 */
export async function findBorders(
  text: string,
  language: string,
  yieldToEventLoop: () => Promise<void>,
): Promise<Borders> {
  const positions: number[] = []
  const ranks: number[] = []
  const sentences = new Intl.Segmenter(language, { granularity: 'sentence' })
  let start = 0
  while (start < text.length) {
    const { end, lines } = paragraphAt(text, start)
    let line = 0
    let count = 0
    const linesBefore = (place: number) => {
      while (line < lines.length && (lines[line] as number) < place) {
        push(lines[line++] as number, Rank.line)
      }
    }
    for (const sentence of sentencesIn(text, start, end, sentences)) {
      linesBefore(sentence)
      if (lines[line] === sentence) line++
      push(sentence, Rank.sentence)
      if (++count % 16 === 0) await yieldToEventLoop()
    }
    linesBefore(end)
    if (end < text.length) push(end, Rank.paragraph)
    start = end
    await yieldToEventLoop()
  }
  return { positions, ranks }

  function push(position: number, rank: number): void {
    positions.push(position)
    ranks.push(rank)
  }
}

/** The end of the paragraph that starts here, and the lines that end inside it. */
function paragraphAt(text: string, start: number): { end: number; lines: number[] } {
  const lines: number[] = []
  for (let i = start; i < text.length; i++) {
    const kind = newlineAt(text, i)
    if (kind === 0) continue
    let newlines = kind
    let next = i + 1
    for (; next < text.length && isSpace(text.charCodeAt(next)); next++) {
      newlines += newlineAt(text, next)
    }
    // white space that starts a text is neither line nor paragraph of its own
    const isBlank = i - start < 64 && text.slice(start, i).trim() === ''
    if (newlines >= 2 && !isBlank) return { end: next, lines }
    if (next < text.length && !isBlank) lines.push(next)
    i = next - 1
  }
  return { end: text.length, lines }
}

/** Newlines that end here: 2 for what ends a paragraph by itself. `\r\n` counts once, at its end. */
function newlineAt(text: string, at: number): number {
  switch (text.charCodeAt(at)) {
    case 0x0a:
    case 0x85:
    case 0x2028:
      return 1
    case 0x0d:
      return text.charCodeAt(at + 1) === 0x0a ? 0 : 1
    case 0x0c:
    case 0x2029:
      return 2
    default:
      return 0
  }
}

function isSpace(unit: number): boolean {
  if (unit <= 0x20) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d)
  if (unit < 0x85) return false
  return unit === 0x85 || /\s/.test(String.fromCharCode(unit))
}

/** The borders between sentences inside [start, end). */
function* sentencesIn(
  text: string,
  start: number,
  end: number,
  segmenter: Intl.Segmenter,
): Generator<number, void> {
  for (let from = start; from < end; ) {
    const to = codePointBorder(text, Math.min(from + WINDOW, end))
    // a newline inside a paragraph ends no sentence
    const window = text.slice(from, to).replace(NEWLINES, ' ')
    let last = 0
    for (const { index } of segmenter.segment(window)) {
      if (index === 0) continue
      yield from + index
      last = index
    }
    if (to >= end) return
    // the last sentence goes on behind the window
    from = last > 0 ? from + last : to
  }
}

/** The nearest place at or before `at` that is not inside a surrogate pair. */
export function codePointBorder(text: string, at: number): number {
  if (at <= 0 || at >= text.length) return at
  const isLow = (text.charCodeAt(at) & 0xfc00) === 0xdc00
  const afterHigh = (text.charCodeAt(at - 1) & 0xfc00) === 0xd800
  return isLow && afterHigh ? at - 1 : at
}

/** Finds word and grapheme borders near a place, in the part of a text that starts at a border. */
export class LocalBorders {
  readonly #text: string
  readonly #words: Intl.Segmenter
  readonly #graphemes: Intl.Segmenter

  constructor(text: string, language: string) {
    this.#text = text
    this.#words = new Intl.Segmenter(language, { granularity: 'word' })
    this.#graphemes = new Intl.Segmenter(language, { granularity: 'grapheme' })
  }

  /** Whether `at` is a border of graphemes; `from` must be one. */
  isGrapheme(from: number, at: number): boolean {
    const segment = this.#graphemes.segment(this.#part(from, at)).containing(at - from)
    return segment === undefined || segment.index === at - from
  }

  /**
   * The last place in (after, before] where a word starts that leaves no punctuation behind; any
   * border of words near there if there is none.
   */
  lastWord(from: number, after: number, before: number): number | undefined {
    const part = this.#part(from, before)
    const segments = this.#words.segment(part)
    let untidy: number | undefined
    for (let at = before - from, tries = 0; tries < TRIES; tries++) {
      const segment = segments.containing(at)
      if (!segment || from + segment.index <= after) break
      if (this.isGrapheme(from, from + segment.index)) {
        if (isTidy(part, segment)) return from + segment.index
        untidy ??= from + segment.index
      }
      at = segment.index - 1
    }
    return untidy
  }

  /** The first such place in [after, before). */
  firstWord(from: number, after: number, before: number): number | undefined {
    const part = this.#part(from, before)
    const segments = this.#words.segment(part)
    let untidy: number | undefined
    let segment = segments.containing(after - from)
    if (segment && segment.index < after - from) segment = following(segments, segment)
    for (let tries = 0; tries < TRIES; tries++) {
      if (!segment || from + segment.index >= before) break
      if (this.isGrapheme(from, from + segment.index)) {
        if (isTidy(part, segment)) return from + segment.index
        untidy ??= from + segment.index
      }
      segment = following(segments, segment)
    }
    return untidy
  }

  /** The last border of graphemes in (after, before]. */
  lastGrapheme(from: number, after: number, before: number): number | undefined {
    const segment = this.#graphemes.segment(this.#part(from, before)).containing(before - from)
    const at = segment === undefined ? before : from + segment.index
    return at > after ? at : undefined
  }

  /**
   * The first border of graphemes in [after, before); none when the grapheme there is longer than
   * can be seen from here.
   */
  firstGrapheme(from: number, after: number, before: number): number | undefined {
    const part = this.#part(from, after)
    const segment = this.#graphemes.segment(part).containing(after - from)
    if (segment === undefined) return undefined
    const { index } = segment
    const next = index === after - from ? index : index + segment.segment.length
    const isCutOff = next === part.length && from + next < this.#text.length
    return isCutOff || from + next >= before ? undefined : from + next
  }

  #part(from: number, at: number): string {
    return this.#text.slice(from, codePointBorder(this.#text, at + LOOK_AHEAD))
  }
}

function following(
  segments: Intl.Segments,
  { index, segment }: Intl.SegmentData,
): Intl.SegmentData | undefined {
  return segments.containing(index + segment.length)
}

const SPACE = /\s$/
const OPENS = /^[\p{Ps}\p{Pi}]/u
const OPENED = /[\p{Ps}\p{Pi}]$/u

/** A new part may start with this segment: nobody wants one to start with a blank or a comma. */
function isTidy(text: string, { index, segment, isWordLike }: Intl.SegmentData): boolean {
  const before = text.slice(Math.max(0, index - 1), index)
  if (SPACE.test(segment) || OPENED.test(before)) return false
  return SPACE.test(before) || isWordLike === true || OPENS.test(segment)
}
