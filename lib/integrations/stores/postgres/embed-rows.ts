/** Texts of rows to embeddings: one a row, or one for each chunk of a document. */

import { partsOf } from '../../../chunking/parts.js'
import { EmbedderError } from '../../../common/errors.js'
import type { Embedding, EmbedOptions, Settled } from '../../../common/types.js'
import type { Embedder } from '../../../embedder/embedder.js'
import type { COMPARABLE } from '../../store.js'
import type { Cutting } from './chunk-table.js'
import type { LeasedRow } from './leases.js'

/** How texts are embedded. */
export type RowOptions = EmbedOptions & typeof COMPARABLE & { onError: 'collect' }

/** A vector's part of its row's text. */
export interface EmbeddedPart {
  /** Characters (code points) before it, as PostgreSQL's `substring` counts them. */
  start: number
  /** Characters before its end. */
  end: number
  embedding: Embedding
}

/** @returns for each row its parts, or why it has none: one for the whole text where nothing is cut */
export async function embedRows(
  embedder: Embedder,
  rows: readonly LeasedRow[],
  options: RowOptions,
  cutting: Cutting | undefined,
): Promise<Settled<EmbeddedPart[]>[]> {
  const cut = await Promise.all(
    rows.map(({ text }) => (cutting ? cutText(embedder, text, options, cutting) : [whole(text)])),
  )
  const texts = cut.flatMap((parts) =>
    parts instanceof EmbedderError ? [] : parts.map(({ text }) => text),
  )
  const results: readonly Settled<Embedding>[] = await embedder.embed(texts, options)
  let next = 0
  return cut.map((parts) => {
    if (parts instanceof EmbedderError) return parts
    const mine = results.slice(next, next + parts.length)
    next += parts.length
    const failed = mine.find((result) => result instanceof EmbedderError)
    if (failed) return failed as EmbedderError
    return parts.map(({ start, end }, i) => ({ start, end, embedding: mine[i] as Embedding }))
  })
}

interface Part {
  text: string
  start: number
  end: number
}

const whole = (text: string): Part => ({ text, start: 0, end: 0 })

async function cutText(
  embedder: Embedder,
  text: string,
  { signal }: RowOptions,
  cutting: Cutting,
): Promise<Part[] | EmbedderError> {
  try {
    const given = { ...cutting, tokenizer: embedder, ...(signal && { signal }) }
    const parts = await partsOf(text, given)
    const characters = charactersAt(
      text,
      parts.flatMap(({ start, end }) => [start, end]),
    )
    return parts.map(({ text: part, start, end }) => ({
      text: part,
      start: characters.get(start) as number,
      end: characters.get(end) as number,
    }))
  } catch (error) {
    if (error instanceof EmbedderError) return error
    throw error
  }
}

/** Characters before each of these UTF-16 places. */
function charactersAt(text: string, places: readonly number[]): Map<number, number> {
  const found = new Map<number, number>()
  let unit = 0
  let characters = 0
  for (const place of [...new Set(places)].sort((a, b) => a - b)) {
    for (; unit < place; unit++) {
      const code = text.charCodeAt(unit)
      // the second half of a pair was counted with the first
      if (code < 0xdc00 || code > 0xdfff) characters++
    }
    found.set(place, characters)
  }
  return found
}
