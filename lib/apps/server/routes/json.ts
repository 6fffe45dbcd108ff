/** Answers as JSON text, float32 as its shortest decimals; large ones in pieces, with back-pressure. */

import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { ownTurn } from '../../../common/timers.js'
import type { SparseEmbedding, TokenPiece } from '../../../common/types.js'
import { numbersOf } from '../../../outputs/arrays.js'
import { shortestFloat32 } from '../../../outputs/shortest-decimal.js'

/** Characters handed to the socket at a time. */
const PIECE = 1 << 18
/** Numbers turned to text before other requests get their turn. */
const ROW = 1 << 14

/** `[0.1,-0.25,...]` */
export function floatsToJson(values: Float32Array): string {
  return JSON.stringify(numbersOf(values))
}

/** Little-endian float32, as OpenAI's `encoding_format: 'base64'`. */
export function floatsToBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')
}

/** Rows as `[[...],[...]]`, some at a time. */
export function* rowsToJson(rows: {
  data: Float32Array
  rows: number
  cols: number
}): Generator<string> {
  const step = Math.max(1, Math.floor(ROW / rows.cols))
  yield '['
  for (let i = 0; i < rows.rows; i += step) {
    const some: string[] = []
    for (let r = i; r < Math.min(rows.rows, i + step); r++) {
      some.push(floatsToJson(rows.data.subarray(r * rows.cols, (r + 1) * rows.cols)))
    }
    yield `${i === 0 ? '' : ','}${some.join(',')}`
  }
  yield ']'
}

/** Lexical weights of an id and what it says, `[]` for none. */
export function weightsOf(
  sparse: SparseEmbedding,
  pieces: readonly TokenPiece[],
): { index: number; token: string; weight: number }[] {
  return Array.from(sparse.indices, (index, i) => ({
    index,
    token: pieces[i]?.piece as string,
    weight: shortestFloat32(sparse.values[i] as number),
  }))
}

/** Parts with commas in between, in brackets. */
export function* listOf(parts: Iterable<Iterable<string>>): Generator<string> {
  let isFirst = true
  yield '['
  for (const part of parts) {
    if (!isFirst) yield ','
    isFirst = false
    yield* part
  }
  yield ']'
}

/**
 * Sends JSON text: what is small at once, what is large in pieces as fast as the client takes them,
 * so that no answer is in memory as text as a whole, and other requests are served in between.
 *
 * @param onPiece called whenever the client has taken a piece
 */
export function sendJson(
  reply: FastifyReply,
  text: Iterable<string>,
  onPiece = () => {},
): FastifyReply {
  reply.type('application/json; charset=utf-8')
  const iterator = text[Symbol.iterator]()
  const first = take(iterator)
  if (first.done) return reply.send(first.text)
  return reply.send(Readable.from(rest(first.text, iterator, onPiece), { objectMode: false }))
}

function take(iterator: Iterator<string>): { text: string; done: boolean } {
  const parts: string[] = []
  for (let length = 0; length < PIECE; ) {
    const next = iterator.next()
    if (next.done) return { text: parts.join(''), done: true }
    parts.push(next.value)
    length += next.value.length
  }
  return { text: parts.join(''), done: false }
}

async function* rest(
  first: string,
  iterator: Iterator<string>,
  onPiece: () => void,
): AsyncGenerator<string> {
  yield first
  for (;;) {
    await ownTurn()
    const { text, done } = take(iterator)
    onPiece()
    if (text !== '') yield text
    if (done) return
  }
}
