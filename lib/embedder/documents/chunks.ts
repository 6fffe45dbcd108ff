/** A list of chunks, or many documents' lists, embedded together. */

import { chunkDocument } from '../../chunking/chunk-document.js'
import { chunkId, chunkSize } from '../../chunking/parts.js'
import type { ChunkTextOptions, TokenCounter } from '../../chunking/types.js'
import { InvalidInputError } from '../../common/errors.js'
import { refuseUnknown } from '../../common/given.js'
import { isMap, isPlain } from '../../common/realms.js'
import type { Chunk, Precision } from '../../common/types.js'
import { isWellFormed } from '../../common/utf8.js'
import { CALL_NAMES } from '../../options/table.js'
import type { EmbedCore } from '../call/embed-core.js'
import { type CheckedChunk, checkChunks } from './chunk-input.js'
import { embedLists } from './run.js'
import type { ChunkOptions, DocumentOptions, EmbeddingResult } from './types.js'

/** Strings are chunks whose ids are their positions. */
export type ChunkList<C extends Chunk | string = Chunk | string> = readonly C[]

/** Document id to its chunks, or to its text. */
export type Documents<C extends Chunk | string = Chunk | string> =
  | ReadonlyMap<string, ChunkList<C> | string>
  | Readonly<Record<string, ChunkList<C> | string>>

/**
 * Embeds chunks. A chunk that fails (its text is no string, or too long) is among the `failures` of the
 * result and costs only itself, unless `onError: 'throw'` asks for a `BatchError`. `timeout` is for
 * the whole call.
 *
 * @throws InvalidInputError before anything is computed: a chunk that is none, without an id, or with
 *   one that another chunk has
 */
export async function embedChunks(
  core: EmbedCore,
  chunks: ChunkList,
  options: ChunkOptions = {},
): Promise<EmbeddingResult<Precision>> {
  const [result] = await embedLists(
    core,
    [checkChunks(chunks, 'The chunks')],
    options,
    'embedChunks',
  )
  return result as EmbeddingResult<Precision>
}

/** What cuts documents. */
export interface Cutter {
  tokenizer: TokenCounter
  /** The most tokens that the model takes. */
  maxTokens(): Promise<number>
}

/**
 * Embeds the chunks of many documents, all in the same batches: a result per document, in the order of
 * `documents`. A document that is a text is cut (`chunkDocument`): its chunks carry their places as metadata. Ids
 * need to differ within a document only. `stats.seconds` of a document is the time until its last chunk was done;
 * its `batches` count its own texts.
 *
 * @throws InvalidInputError as `embedChunks` does, naming the document's position
 */
export async function embedDocuments(
  core: EmbedCore,
  documents: Documents,
  given: DocumentOptions,
  cutter: Cutter,
): Promise<Map<string, EmbeddingResult<Precision>>> {
  refuseUnknown(given, [...CALL_NAMES, 'keepText', 'minQuality', 'chunk'], 'embedDocuments')
  const { chunk = {}, ...options } = given
  refuseUnknown(chunk, ['maxTokens', 'overlap', 'language'], 'the option `chunk`')
  const entries = entriesOf(documents)
  const lists: CheckedChunk[][] = []
  let limit: number | undefined
  for (const [i, [id, document]] of entries.entries()) {
    let chunks = document
    try {
      if (typeof document === 'string') {
        limit ??= chunkSize(await cutter.maxTokens())
        const { tokenizer } = cutter
        const how = { maxTokens: limit, ...chunk, tokenizer, signal: options.signal ?? undefined }
        // what is no text fails by itself when it is embedded
        chunks = isWellFormed(document)
          ? await chunkDocument(id, document, how as ChunkTextOptions)
          : [{ id: chunkId(id, 0), text: document }]
      }
      lists.push(checkChunks(chunks, 'Its chunks'))
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error
      const { message } = error
      throw new InvalidInputError(`In the document at position ${i}: ${message}`, { cause: error })
    }
  }
  const results = await embedLists(core, lists, options, 'embedDocuments')
  return new Map(entries.map(([id], i) => [id, results[i] as EmbeddingResult<Precision>]))
}

function entriesOf(documents: unknown): [string, unknown][] {
  if (isMap(documents)) {
    const entries = [...documents]
    if (!entries.every(([id]) => typeof id === 'string')) {
      throw new InvalidInputError('Document ids must be strings.')
    }
    return entries as [string, unknown][]
  }
  if (!isPlain(documents)) {
    throw new InvalidInputError(
      'embedDocuments takes a Map or an object: document id to chunks, or to its text.',
    )
  }
  return Object.entries(documents)
}
