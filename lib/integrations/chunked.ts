/** Documents to chunks on their way to a store, and what is left there of longer ones. */

import { chunkText } from '../chunking/chunk-text.js'
import { chunkId, chunkSize, partsOf } from '../chunking/parts.js'
import type { ChunkTextOptions, TokenCounter } from '../chunking/types.js'
import type { AbortSignalLike } from '../common/abort.js'
import { EmbedderError, InvalidInputError } from '../common/errors.js'
import { checkList, refuseUnknown } from '../common/given.js'
import type { EmbeddingStore } from './store.js'

/** How documents are cut: as `chunkText` does it. */
export type DocumentCutting = Pick<ChunkTextOptions, 'maxTokens' | 'overlap' | 'language'>

/** What is said of a chunk in its metadata. Its id is the document's with `#0`, `#1` and so on. */
export interface ChunkPlace {
  /** Id of the document. */
  document: string
  /** From 0. */
  part: number
  /** Chunks of the document. */
  parts: number
  /** UTF-16 units of the document's text: `text.slice(start, end)`. */
  start: number
  end: number
}

/**
 * The options with their defaults; undefined where nothing is cut.
 *
 * @param most tokens that the model takes
 * @throws InvalidInputError for sizes that cannot be
 */
export async function checkCutting(
  chunk: boolean | DocumentCutting | undefined,
  tokenizer: TokenCounter,
  most: number,
): Promise<DocumentCutting | undefined> {
  if (chunk === undefined || chunk === false) return undefined
  const given = chunk === true ? {} : chunk
  refuseUnknown(given, ['maxTokens', 'overlap', 'language'], '`chunk`')
  const cutting = { ...given, maxTokens: given.maxTokens ?? chunkSize(most) }
  await chunkText('', { ...cutting, tokenizer })
  return cutting
}

/**
 * The chunks of each document, with their places in their metadata; the empty text is one. What has no id or no text
 * goes on as it is, for whoever checks chunks; a text that cannot be cut is `{ id, error }`.
 */
export async function* chunked(
  source: AsyncIterable<unknown> | Iterable<unknown>,
  cutting: DocumentCutting,
  tokenizer: TokenCounter,
  signal: AbortSignalLike | undefined,
): AsyncGenerator<unknown> {
  let index = -1
  for await (const value of source) {
    index++
    const item = typeof value === 'string' ? { id: String(index), text: value } : Object(value)
    const { id, text, metadata } = item as { id?: unknown; text?: unknown; metadata?: object }
    if (typeof id !== 'string' || typeof text !== 'string') {
      yield value
      continue
    }
    try {
      const options = { ...cutting, tokenizer, ...(signal && { signal }) }
      const parts = await partsOf(text, options)
      for (const [part, { text: piece, start, end }] of parts.entries()) {
        const place: ChunkPlace = { document: id, part, parts: parts.length, start, end }
        yield { id: chunkId(id, part), text: piece, metadata: { ...metadata, ...place } }
      }
    } catch (error) {
      if (!(error instanceof EmbedderError)) throw error
      yield { id, error }
    }
  }
}

/** Of the documents whose first chunk is among these: how many chunks they have. */
export function documentsOf(
  chunks: readonly { id: string; metadata?: Record<string, unknown> | undefined }[],
): DocumentParts[] {
  return chunks.flatMap(({ id, metadata }) => {
    const { document, part, parts } = (metadata ?? {}) as Partial<ChunkPlace>
    const isFirst = part === 0 && typeof document === 'string' && id === chunkId(document, 0)
    return isFirst && Number.isInteger(parts) ? [{ document, parts: parts as number }] : []
  })
}

/** A document, and how many chunks it has: 0 where it is gone. */
export interface DocumentParts {
  document: string
  parts: number
}

/** Ids that are looked for at a time, beyond the first. */
const WINDOW = 64

/**
 * Removes what a store has of documents beyond their chunks: of one that was longer its end, with `parts: 0` all of it.
 * A store that has no `remove` keeps it.
 *
 * @returns how many chunks were removed
 * @throws StoreError, InvalidInputError
 */
export async function trimDocuments(
  store: Pick<EmbeddingStore, 'stored' | 'remove'>,
  documents: readonly DocumentParts[],
): Promise<number> {
  if (typeof Object(store).stored !== 'function') {
    throw new InvalidInputError('trimDocuments takes a store, which has `stored` and `remove`.')
  }
  checkList(documents, 'The documents')
  for (const one of documents) {
    const { document, parts } = Object(one) as Partial<DocumentParts>
    if (typeof document === 'string' && Number.isSafeInteger(parts) && (parts as number) >= 0)
      continue
    throw new InvalidInputError(
      'A document to trim is { document: its id, parts: a whole number from 0 }.',
    )
  }
  if (!store.remove || documents.length === 0) return 0
  const next = new Map(documents.map(({ document, parts }) => [chunkId(document, parts), document]))
  const longer = await store.stored([...next.keys()])
  let removed = 0
  for (const { document, parts } of documents) {
    if (!longer.has(chunkId(document, parts))) continue
    const surplus: string[] = []
    for (let part = parts; ; part += WINDOW) {
      const ids = Array.from({ length: WINDOW }, (_, i) => chunkId(document, part + i))
      const there = await store.stored(ids)
      if (there.size === 0) break
      surplus.push(...ids.filter((id) => there.has(id)))
    }
    // from the end: cut off in between, what is left still follows on the document
    for (let end = surplus.length; end > 0; end -= WINDOW) {
      await store.remove(surplus.slice(Math.max(0, end - WINDOW), end).reverse())
    }
    removed += surplus.length
  }
  return removed
}
