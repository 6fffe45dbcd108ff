/** A list of chunks, or many documents' lists, embedded together. */

import { InvalidInputError } from '../../common/errors.js'
import { isMap, isPlain } from '../../common/realms.js'
import type { Chunk, Precision } from '../../common/types.js'
import type { EmbedCore } from '../call/embed-core.js'
import { checkChunks } from './chunk-input.js'
import { embedLists } from './run.js'
import type { ChunkOptions, EmbeddingResult } from './types.js'

/** Strings are chunks whose ids are their positions. */
export type ChunkList<C extends Chunk | string = Chunk | string> = readonly C[]

/** Document id to its chunks. */
export type Documents<C extends Chunk | string = Chunk | string> =
  | ReadonlyMap<string, ChunkList<C>>
  | Readonly<Record<string, ChunkList<C>>>

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

/**
 * Embeds the chunks of many documents, all in the same batches: a result per document, in the order of
 * `documents`. Ids need to differ within a document only. `stats.seconds` of a document is the time
 * until its last chunk was done; its `batches` count its own texts.
 *
 * @throws InvalidInputError as `embedChunks` does, naming the document's position
 */
export async function embedDocuments(
  core: EmbedCore,
  documents: Documents,
  options: ChunkOptions = {},
): Promise<Map<string, EmbeddingResult<Precision>>> {
  const entries = entriesOf(documents)
  const lists = entries.map(([, chunks], i) => {
    try {
      return checkChunks(chunks, 'Its chunks')
    } catch (error) {
      const { message } = error as Error
      throw new InvalidInputError(`In the document at position ${i}: ${message}`, { cause: error })
    }
  })
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
    throw new InvalidInputError('embedDocuments takes a Map or an object: document id to chunks.')
  }
  return Object.entries(documents)
}
