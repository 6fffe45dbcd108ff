/** Signals that are not Node's: whatever has `aborted` and `addEventListener`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AbortSignalLike } from '../../lib/common/abort.js'
import { sleep } from '../../lib/common/timers.js'
import { chunkText, Embedder } from '../../lib/index.js'
import { createStandin } from '../../lib/model/standin/create.js'
import { tinyPath } from '../helpers/standins.js'

type Listener = () => void

/** A signal as an object, without anything else; `reason` only where one is given. */
class Controller {
  readonly listeners = new Set<Listener>()
  readonly signal: AbortSignalLike & { aborted: boolean; reason?: unknown }

  constructor(kind: string) {
    const { listeners } = this
    this.signal = {
      aborted: false,
      addEventListener: (_, listener) => void listeners.add(listener),
      ...(kind !== 'bare' && {
        removeEventListener: (_: string, listener: Listener) => void listeners.delete(listener),
      }),
    }
  }

  abort(reason?: unknown) {
    this.signal.aborted = true
    if (reason !== undefined) this.signal.reason = reason
    for (const listener of this.listeners) listener.call(this.signal)
  }
}

let embedder: Embedder
beforeAll(async () => {
  embedder = await Embedder.load({ model: await tinyPath(), cache: false, logger: { warn() {} } })
})
afterAll(() => embedder.dispose())

const TEXTS = Array.from({ length: 3000 }, (_, i) => `text ${i} `.repeat(20))
const CALLS: Record<string, (signal: AbortSignalLike) => Promise<unknown>> = {
  load: async (signal) => Embedder.load({ model: await tinyPath(), signal }),
  embed: (signal) => embedder.embed(TEXTS, { signal }),
  'embed with a timeout': (signal) => embedder.embed(TEXTS, { signal, timeout: 600_000 }),
  embedStream: (signal) => drain(embedder.embedStream(TEXTS, { signal })),
  embedChunks: (signal) => embedder.embedChunks(chunks(), { signal }),
  estimate: (signal) => embedder.estimate(TEXTS, { signal }),
  chunkText: (signal) => chunkText(TEXTS.join(' '), { tokenizer: embedder, signal }),
  createStandin: (signal) =>
    createStandin({ output: '/nowhere/at/all.gguf', size: 'tiny', signal }),
  sleep: (signal) => sleep(600_000, signal),
}

const chunks = () => TEXTS.map((text, i) => ({ id: String(i), text }))

async function drain(source: AsyncIterable<unknown>) {
  for await (const _ of source);
}

describe.each(['bare', 'with removeEventListener'])('a signal %s', (kind) => {
  it.each(Object.keys(CALLS))('that has aborted ends %s', async (name) => {
    const { signal } = Object.assign(new Controller(kind))
    signal.aborted = true
    await expect(CALLS[name]?.(signal)).rejects.toMatchObject({ name: 'AbortError' })
    signal.reason = new RangeError('enough')
    await expect(CALLS[name]?.(signal)).rejects.toBe(signal.reason)
  })

  it.each(['embed', 'embed with a timeout', 'embedStream', 'embedChunks', 'sleep'])(
    'that aborts meanwhile ends %s',
    async (name) => {
      for (const reason of [undefined, new RangeError('enough')]) {
        const controller = new Controller(kind)
        const ending = CALLS[name]?.(controller.signal)
        const settled = ending?.catch((error) => error)
        await expect.poll(() => controller.listeners.size).toBeGreaterThan(0)
        controller.abort(reason)
        expect(await settled).toMatchObject({ name: reason ? 'RangeError' : 'AbortError' })
      }
    },
  )
})

it('nothing listens any more when the work is done', async () => {
  const { signal, listeners } = new Controller('with removeEventListener')
  await embedder.embed(['a', 'b'], { signal, timeout: 600_000 })
  await embedder.embed('a', { signal })
  await drain(embedder.embedStream(['a', 'b'], { signal }))
  await sleep(1, signal)
  expect(listeners.size).toBe(0)
})
