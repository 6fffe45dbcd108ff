/** A corpus to jobs: chunks in their order, as many as the token budget of a job takes. */

import type { TokenCounter } from '../../chunking/types.js'
import { BatchError, EmbedderError, InvalidInputError } from '../../common/errors.js'
import type { Chunk } from '../../common/types.js'
import { checkChunk } from '../../embedder/documents/chunk-input.js'
import type { Source } from '../../embedder/documents/source.js'
import { IdSet } from './id-set.js'
import { makeJob, type NewJob, type PackedItem, packItem } from './job.js'

/** A place in the corpus where no chunk could be read: it is counted and listed as failed. */
export interface UnreadableChunk {
  id: string
  error: EmbedderError
}

/** Strings have their positions, from 0, as ids. */
export type CorpusItem = Chunk | string | UnreadableChunk

/** What a corpus may come from: any iterable or async iterable of chunks. */
export type CorpusSource = Source<CorpusItem>

export interface CutOptions {
  /** Tokens of a job; a longer chunk is a job of its own. */
  jobTokens: number
  /** The most tokens that a chunk can cost, however long it is. */
  maxTokens: number
}

/** A chunk that goes into no job. */
export interface Refused {
  /** Empty where it has none. */
  id: string
  index: number
  error: EmbedderError
}

/** Chunks whose tokens are counted at a time. */
const WINDOW = { items: 256, units: 1 << 18 }
/** Whatever the tokens: blank text has hardly any. */
const MOST_ITEMS = 4096
const MOST_UNITS = 4 * 1024 * 1024

interface Read {
  index: number
  chunk: Chunk
}

/**
 * The same corpus gives the same jobs, however fast it comes. Of two chunks with one id the first counts
 * and the second is refused: which of them a store would keep in the end is nobody's to say.
 */
export async function* cut(
  source: CorpusSource,
  counter: TokenCounter,
  { jobTokens, maxTokens }: CutOptions,
): AsyncGenerator<{ job: NewJob } | { refused: Refused }> {
  let items: PackedItem[] = []
  let tokens = 0
  let units = 0
  const seal = () => {
    const job = makeJob(items, tokens)
    items = []
    tokens = 0
    units = 0
    return { job }
  }
  for await (const found of counted(source, counter)) {
    if ('refused' in found) {
      yield found
      continue
    }
    const cost = Math.min(found.tokens, maxTokens)
    const size = found.packed.json.length
    const isFull =
      tokens + cost > jobTokens || items.length >= MOST_ITEMS || units + size > MOST_UNITS
    if (items.length > 0 && isFull) yield seal()
    items.push(found.packed)
    tokens += cost
    units += size
  }
  if (items.length > 0) yield seal()
}

type Counted = { packed: PackedItem; tokens: number } | { refused: Refused }

async function* counted(source: CorpusSource, counter: TokenCounter): AsyncGenerator<Counted> {
  let window: Read[] = []
  let units = 0
  for await (const read of checked(source)) {
    if ('refused' in read) {
      yield read
      continue
    }
    window.push(read)
    units += read.chunk.text.length
    if (window.length < WINDOW.items && units < WINDOW.units) continue
    yield* countWindow(window, counter)
    window = []
    units = 0
  }
  yield* countWindow(window, counter)
}

async function* checked(source: CorpusSource): AsyncGenerator<Read | { refused: Refused }> {
  const seen = new IdSet()
  let index = -1
  for await (const value of source) {
    index++
    if (isUnreadable(value)) {
      yield { refused: { id: value.id, index, error: value.error } }
      continue
    }
    const chunk = checkChunk(value, index)
    const refuse = (error: EmbedderError) => {
      const { id } = Object(value) as { id?: unknown }
      return { refused: { id: typeof id === 'string' ? id : '', index, error } }
    }
    if (chunk instanceof InvalidInputError) {
      yield refuse(chunk)
      continue
    }
    const { id, text, metadata } = chunk
    if (typeof text !== 'string') {
      yield refuse(
        new InvalidInputError(`The chunk at index ${index} has a text that is no string.`),
      )
    } else if (!seen.add(id)) {
      yield refuse(
        new InvalidInputError(`The chunk at index ${index} has an id that was there before.`),
      )
    } else {
      yield { index, chunk: metadata === undefined ? { id, text } : { id, text, metadata } }
    }
  }
}

function isUnreadable(value: unknown): value is UnreadableChunk {
  return Object(value).error instanceof EmbedderError
}

async function* countWindow(
  window: readonly Read[],
  counter: TokenCounter,
): AsyncGenerator<Counted> {
  if (window.length === 0) return
  const counts = await countAll(
    counter,
    window.map(({ chunk }) => chunk.text),
  )
  for (const [i, { index, chunk }] of window.entries()) {
    const count = counts[i] as number | EmbedderError
    try {
      if (count instanceof EmbedderError) throw count
      yield { packed: packItem(chunk), tokens: count }
    } catch (error) {
      if (!(error instanceof EmbedderError)) throw error
      yield { refused: { id: chunk.id, index, error } }
    }
  }
}

/** A count for each text, or why it has none. */
async function countAll(
  counter: TokenCounter,
  texts: readonly string[],
): Promise<readonly (number | EmbedderError)[]> {
  try {
    return await counter.countTokens(texts)
  } catch (error) {
    if (!(error instanceof BatchError)) throw error
    const all: (number | EmbedderError | undefined)[] = [...error.results] as number[]
    for (const failure of error.failures) all[failure.index] = failure.error
    return all as (number | EmbedderError)[]
  }
}
