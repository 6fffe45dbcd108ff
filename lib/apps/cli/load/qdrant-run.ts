/** `bge-m3 load qdrant`: texts of a file to points of a collection. */

import type { Chunk } from '../../../common/types.js'
import type { InputItem } from '../../../integrations/files/items.js'
import { isText } from '../../../integrations/files/items.js'
import type { Input } from '../../../integrations/files/source.js'
import { loadQdrant } from '../../../integrations/stores/qdrant/load.js'
import type {
  LoadQdrantFailure,
  LoadQdrantOptions,
  LoadQdrantProgress,
  LoadQdrantResult,
} from '../../../integrations/stores/qdrant/load-types.js'
import { cuttingOf } from '../shared/cutting.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { loggerOf } from '../shared/logger.js'
import { type Flags, optionValues, outputsOf } from '../shared/options.js'
import { present } from '../shared/present.js'
import { type ProgressBar, progressBar } from '../shared/progress-bar.js'
import { Sink } from '../shared/sink.js'
import { openTexts } from '../shared/texts.js'
import { withEmbedder } from '../shared/watch.js'

interface QdrantFlags {
  url?: string
  collection: string
  denseName: string
  sparseName: string
  colbertName: string
  text: boolean
  create: boolean
  again?: boolean
  batchPoints?: string
  maxRequestBytes?: string
  json?: boolean
}

export async function runLoadQdrant(io: CliIo, flags: Flags): Promise<number> {
  const values = optionValues(flags, io.env)
  const own = flags as unknown as QdrantFlags
  const url = own.url ?? io.env.QDRANT_URL
  if (!url) throw new UsageError('Name the server: --url URL, or QDRANT_URL.')
  const apiKey = io.env.QDRANT_API_KEY || undefined
  const { truncate, maxTokens, dimensions } = values
  const options: LoadQdrantOptions = {
    url,
    apiKey,
    collection: own.collection,
    outputs: outputsOf(flags, values),
    names: { dense: own.denseName, sparse: own.sparseName, colbert: own.colbertName },
    keepText: own.text,
    create: own.create,
    again: own.again,
    ...present({
      batchPoints: integer('--batch-points', own.batchPoints),
      maxRequestBytes: integer('--max-request-bytes', own.maxRequestBytes),
      chunk: cuttingOf(flags),
      truncate,
      maxTokens,
      dimensions,
    }),
    signal: io.signal,
    logger: loggerOf(io, values.logLevel),
    onRetry: ({ message, waitMs }) =>
      say(io, `${message}; trying again in ${(waitMs / 1000).toFixed(1)} s`),
  }
  const input = await openTexts(io, [], flags)
  try {
    const watching = { command: 'load qdrant', flags, values, byBatch: true }
    return await withEmbedder(io, watching, async (embedder, watch) => {
      warnOfOpenKey(io, url, apiKey)
      const reader = new Reader(input)
      const bar = new LoadBar(io, input, reader)
      const result = await loadQdrant(embedder, reader.chunks(), {
        ...options,
        onBatch: watch.onBatch,
        onProgress: (progress) => bar.update(progress),
      }).finally(() => bar.stop())
      watch.skipped = result.skipped
      watch.retries = result.retries
      const all = withBroken(result, reader)
      await report(io, all, own.json ?? false)
      return all.failed > 0 ? EXIT.failed : EXIT.done
    })
  } finally {
    await input.close()
  }
}

/** The items of the input as chunks; lines that hold none are kept aside. */
class Reader {
  readonly broken: LoadQdrantFailure[] = []
  brokenCount = 0
  /** Bytes of the input up to the end of each item that is not done yet. */
  readonly #ends: number[] = []
  #doneEnd = 0
  #done = 0
  readonly #items: AsyncIterable<InputItem[]>

  constructor({ items }: Input) {
    this.#items = items
  }

  async *chunks(): AsyncGenerator<Chunk> {
    for await (const group of this.#items) {
      for (const item of group) {
        const id = String(item.id)
        if (isText(item)) {
          this.#ends.push(item.end)
          yield { id, text: item.text }
          continue
        }
        const { code, message } = item.error
        this.brokenCount++
        if (this.broken.length < 1000) this.broken.push({ id, code, message })
      }
    }
  }

  /** Bytes of the input that are done with, when so many items are; nearly: some are skipped out of turn. */
  bytesOf(done: number): number {
    const ended = this.#ends.splice(0, done - this.#done)
    this.#done = done
    this.#doneEnd = ended.at(-1) ?? this.#doneEnd
    return this.#doneEnd
  }
}

class LoadBar {
  readonly #bar: ProgressBar
  readonly #reader: Reader

  constructor(io: CliIo, { size }: Input, reader: Reader) {
    const total = size !== undefined && 'bytes' in size ? size.bytes : undefined
    this.#bar = progressBar(io, { label: 'load', total })
    this.#reader = reader
  }

  update({ done, skipped, failed, rate }: LoadQdrantProgress): void {
    const parts = [`${done} points`, `${rate.toFixed(1)} points/s`]
    if (skipped > 0) parts.push(`${skipped} there already`)
    this.#bar.update(this.#reader.bytesOf(done + skipped + failed), parts.join(', '))
  }

  stop(): void {
    this.#bar.stop()
  }
}

function withBroken(result: LoadQdrantResult, { broken, brokenCount }: Reader): LoadQdrantResult {
  const failures = [...broken, ...result.failures].slice(0, 1000)
  return { ...result, failed: result.failed + brokenCount, failures }
}

function warnOfOpenKey(io: CliIo, url: string, apiKey: string | undefined): void {
  const isOpen = apiKey !== undefined && /^http:/i.test(url)
  const isHere = /^http:\/\/(localhost|127\.|\[::1\])/i.test(url)
  if (isOpen && !isHere) say(io, 'warning: the API key goes over http, where others may read it.')
}

function integer(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,10}$/.test(text)) throw new UsageError(`${flag} takes a whole number, not ${text}.`)
  return Number(text)
}

async function report(io: CliIo, result: LoadQdrantResult, json: boolean): Promise<void> {
  const sink = Sink.stdout(io)
  if (json) {
    await sink.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { points, tokens, seconds, skipped, failed, failures, colbertCut } = result
  await sink.write(
    `${points} points, ${tokens} tokens in ${seconds.toFixed(1)} s` +
      `${skipped > 0 ? `; ${skipped} were there` : ''}${failed > 0 ? `; ${failed} failed` : ''}\n`,
  )
  if (colbertCut > 0) say(io, `note: of ${colbertCut} multi-vectors only the first rows fit.`)
  // an id may hold what a terminal takes for commands
  for (const { id, code } of failures.slice(0, 20)) say(io, `item ${JSON.stringify(id)}: ${code}`)
  if (failed > 20) say(io, `and ${failed - 20} more`)
}
