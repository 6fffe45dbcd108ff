/** What callers pass as chunks, checked. */
import { type EmbedderError, InvalidInputError } from '../../common/errors.js'
import { typeName } from '../../common/given.js'
import type { Chunk } from '../../common/types.js'

export interface CheckedChunk {
  id: string
  /** Whether it is a text is for the embedder to say: that costs this chunk alone. */
  text: unknown
  metadata: Record<string, unknown> | undefined
  /** What else it came with, such as `references`. */
  fields?: Record<string, unknown>
}

/**
 * A chunk, or what is wrong with it. A string is a chunk whose id is its position. Neither id nor text
 * is shown: either may be what must not reach a log.
 */
export function checkChunk(value: unknown, index: number): CheckedChunk | InvalidInputError {
  if (typeof value === 'string') return { id: String(index), text: value, metadata: undefined }
  const wrong = (what: string) =>
    new InvalidInputError(`The chunk at index ${index} ${what}.`, { index })
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return wrong(`must be { id, text, metadata? } or a string, not of type ${typeName(value)}`)
  }
  const { id, text, metadata } = value as Partial<Chunk>
  if (id === undefined) return wrong('has no id')
  if (typeof id !== 'string') {
    return wrong(`has an id of type ${typeName(id)}; it must be a string`)
  }
  if (id === '') return wrong('has an empty id')
  if (metadata !== undefined && (typeof metadata !== 'object' || metadata === null)) {
    return wrong(`has metadata of type ${typeName(metadata)}; it must be an object`)
  }
  const { id: _, text: __, metadata: ___, ...fields } = value as Record<string, unknown>
  return { id, text, metadata, fields }
}

/** All chunks of a list, each with an id of its own. @throws InvalidInputError */
export function checkChunks(values: unknown, what: string): CheckedChunk[] {
  if (!Array.isArray(values)) {
    throw new InvalidInputError(
      `${what} must be an array of chunks or strings, not of type ${typeName(values)}.`,
    )
  }
  const seen = new Map<string, number>()
  return Array.from(values as unknown[], (value, index) => {
    const chunk = checkChunk(value, index)
    if (chunk instanceof InvalidInputError) throw chunk
    const first = seen.get(chunk.id)
    if (first !== undefined) {
      throw new InvalidInputError(
        `The chunks at index ${first} and ${index} have the same id; ids must differ.`,
        { index },
      )
    }
    seen.set(chunk.id, index)
    return chunk
  })
}

/** The error of a text under the index that it has for the user, not in some window of texts. */
export function atIndex(error: EmbedderError, index: number): EmbedderError {
  if (error.index === index) return error
  const Class = error.constructor as new (message: string, details: object) => EmbedderError
  const place = `The text at index ${index}`
  const message = /^The text\b/.test(error.message)
    ? error.message.replace(/^The text( at index \d+)?/, place)
    : `${place}: ${error.message}`
  // what a class adds to the others (`tokenCount`) is among its own properties
  return new Class(message, { ...error, index, cause: error.cause })
}
