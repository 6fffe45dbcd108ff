/** NDJSON for large requests: a line a text, computed window by window as the client takes them. */

import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { EmbedderError } from '../../../common/errors.js'
import type { Embedding } from '../../../common/types.js'
import { openaiBody, toHttpError } from '../core/errors.js'
import type { RequestWork, RequestWorkOptions } from '../core/request-work.js'

/** Texts that are embedded before their lines are written. */
const WINDOW_TEXTS = 32

const NDJSON = 'application/x-ndjson'

/** Whether the client asks for NDJSON by name. */
export function acceptsNdjson({ headers }: FastifyRequest): boolean {
  return /(^|,)\s*application\/(x-)?ndjson\b/i.test(headers.accept ?? '')
}

interface NdjsonJob {
  work: RequestWork
  texts: readonly string[]
  options: RequestWorkOptions
  /** The line of an embedding, without its end. */
  write(
    text: string,
    embedding: Embedding,
    index: number,
  ): Promise<Iterable<string>> | Iterable<string>
}

/**
 * Answers a line per text, in input order; that of a failed text is `{"index", "error"}`. An error that
 * ends the answer early is a last line `{"error"}` without an index.
 */
export function sendNdjson(reply: FastifyReply, job: NdjsonJob): FastifyReply {
  reply.type(`${NDJSON}; charset=utf-8`)
  return reply.send(Readable.from(lines(job), { objectMode: false }))
}

async function* lines({ work, texts, options, write }: NdjsonJob): AsyncGenerator<string> {
  let from = 0
  try {
    for (const size of windowSizes(texts, work.windowUnits(options))) {
      const window = texts.slice(from, from + size)
      const results = await work.settle({ texts: window }, { priority: 'bulk', ...options })
      for (const [i, result] of results.entries()) {
        const index = from + i
        if (result instanceof EmbedderError) {
          yield `${JSON.stringify({ index, ...openaiBody(toHttpError(result)) })}\n`
          continue
        }
        for (const part of await write(window[i] as string, result, index)) yield part
        yield '\n'
        work.renewDeadline()
      }
      from += size
      work.release()
    }
  } catch (error) {
    yield `${JSON.stringify(openaiBody(toHttpError(error)))}\n`
  }
}

function* windowSizes(texts: readonly string[], mostUnits: number): Generator<number> {
  let count = 0
  let units = 0
  for (const text of texts) {
    if (count > 0 && (count === WINDOW_TEXTS || units + text.length > mostUnits)) {
      yield count
      count = 0
      units = 0
    }
    count++
    units += text.length
  }
  if (count > 0) yield count
}
