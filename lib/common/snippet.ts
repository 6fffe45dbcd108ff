/** The part of a text that says most about a query. */

const WIDTH = 240

/** A part of a text on one line, and where words of the query are in it. */
export interface Snippet {
  text: string
  /** First UTF-16 unit of each such word, and the one behind it; in order. */
  marks: [start: number, end: number][]
}

interface Word {
  start: number
  end: number
  /** Whether it is one of the query's. */
  isWanted: boolean
  folded: string
}

/**
 * At most so many UTF-16 units on one line: those with the most different words of the query, else the
 * first. Cut at words, with dots where something is missing.
 */
export function snippet(text: string, query: string, width: number = WIDTH): string {
  return markedSnippet(text, query, width).text
}

/** The same, with the words of the query that it has: whatever their case, whole words alone. */
export function markedSnippet(text: string, query: string, width: number = WIDTH): Snippet {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' })
  const wanted = new Set(wordsOf(segmenter, query).map(({ folded }) => folded))
  const words = wordsOf(segmenter, line, wanted)
  const [from, to] = line.length <= width ? [0, line.length] : bestPart(line, words, width)
  const part = line.slice(from, to).trimStart()
  const shift = (from > 0 ? DOTS.length + 1 : 0) - (to - part.length)
  return {
    text: `${from > 0 ? `${DOTS} ` : ''}${part.trimEnd()}${to < line.length ? ` ${DOTS}` : ''}`,
    marks: words
      .filter(({ isWanted, start, end }) => isWanted && start >= from && end <= to)
      .map(({ start, end }) => [start + shift, end + shift]),
  }
}

const DOTS = '…'

function bestPart(line: string, words: readonly Word[], width: number): [from: number, to: number] {
  const start = bestStart(words, width)
  let end = Math.min(start + width, line.length)
  if (end < line.length) {
    // a word that would be cut is left out, unless it is all there is
    const cut = words.findLast((word) => word.start <= end)?.start ?? 0
    if (cut > start) end = cut
  }
  return [start, end]
}

function wordsOf(
  segmenter: Intl.Segmenter,
  text: string,
  wanted: ReadonlySet<string> = new Set(),
): Word[] {
  return [...segmenter.segment(text)]
    .filter(({ isWordLike }) => isWordLike)
    .map(({ segment, index }) => {
      const folded = segment.toLocaleLowerCase()
      return { start: index, end: index + segment.length, isWanted: wanted.has(folded), folded }
    })
}

/** Of a window of so many units with the most different words of the query; the first such. */
function bestStart(words: readonly Word[], width: number): number {
  const counts = new Map<string, number>()
  let best = 0
  let start = 0
  let from = 0
  words.forEach((word) => {
    if (!word.isWanted) return
    counts.set(word.folded, (counts.get(word.folded) ?? 0) + 1)
    for (; word.start + word.folded.length - (words[from] as Word).start > width; from++) {
      const { isWanted, folded } = words[from] as Word
      if (!isWanted) continue
      const count = (counts.get(folded) as number) - 1
      if (count > 0) counts.set(folded, count)
      else counts.delete(folded)
    }
    if (counts.size > best) {
      best = counts.size
      start = (words[from] as Word).start
    }
  })
  return start
}
