/** A source without end, in a process of its own (vitest forks one per file), whose memory is watched. */
import v8 from 'node:v8'
import vm from 'node:vm'
import { expect, it } from 'vitest'
import { embedStream } from '../../lib/documents/index.js'
import { Embedder } from '../../lib/index.js'
import { standinPath } from '../helpers/standins.js'
import { coreOf } from './fake-core.js'

v8.setFlagsFromString('--expose_gc')
const gc = vm.runInNewContext('gc') as () => void

const WARM_UP = 3000
const CHUNKS = process.env.BGE_M3_TEST_LONG === '1' ? 300_000 : 15_000
/** Of each chunk: what is kept of all of them is seen. */
const PAYLOAD = 8192

async function memory(): Promise<{ rss: number; live: number }> {
  for (let i = 0; i < 3; i++) {
    gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  return { rss, live: heapUsed + arrayBuffers }
}

it('takes the same memory however long it runs', { timeout: 600_000 }, async () => {
  const m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
  let pulled = 0
  let closed = false
  async function* source() {
    try {
      for (;;) {
        pulled++
        const payload = new Uint8Array(PAYLOAD).fill(pulled)
        yield {
          id: `chunk ${pulled}`,
          text: `Number ${pulled} of a long row.`,
          metadata: { payload },
        }
      }
    } finally {
      closed = true
    }
  }
  let taken = 0
  let ahead = 0
  let before: Awaited<ReturnType<typeof memory>> | undefined
  for await (const item of embedStream(coreOf(m3), source())) {
    taken++
    ahead = Math.max(ahead, pulled - taken)
    expect(item.id).toBe(`chunk ${taken}`)
    if (taken === WARM_UP) before = await memory()
    if (taken === WARM_UP + CHUNKS) break
  }
  const after = await memory()
  expect(closed).toBe(true)
  expect(ahead).toBeLessThanOrEqual(513)
  // all payloads would be 117 MB
  expect((after.live - (before?.live as number)) / 1e6).toBeLessThan(8)
  expect((after.rss - (before?.rss as number)) / 1e6).toBeLessThan(40)
  await m3.dispose()
})
