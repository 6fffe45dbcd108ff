/** A source without end takes the same memory however long it runs: in a process of its own whose memory is watched. */
import { expect } from 'vitest'
import { importPackage, runModule } from '../../helpers/child.js'
import { tinyPath } from '../../helpers/standins.js'

const WARM_UP = 3000
/** Bytes with each chunk: whatever is kept of all of them is seen. */
const PAYLOAD = 8192

export async function endlessStream(chunks: number): Promise<void> {
  const model = await tinyPath()
  const { code, stdout, stderr } = await runModule(
    `${importPackage}
    const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
    const memory = async () => {
      for (let i = 0; i < 3; i++) {
        gc()
        await new Promise((resolve) => setImmediate(resolve))
      }
      const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
      return { rss, live: heapUsed + arrayBuffers }
    }
    let pulled = 0
    let closed = false
    async function* source() {
      try {
        for (;;) {
          pulled++
          const payload = new Uint8Array(${PAYLOAD}).fill(pulled)
          yield { id: 'chunk ' + pulled, text: 'Number ' + pulled + ' of a long row.', metadata: { payload } }
        }
      } finally {
        closed = true
      }
    }
    let taken = 0
    let ahead = 0
    let before
    for await (const { id } of m3.embedStream(source())) {
      taken++
      ahead = Math.max(ahead, pulled - taken)
      if (id !== 'chunk ' + taken) throw new Error('out of order')
      if (taken === ${WARM_UP}) before = await memory()
      if (taken === ${WARM_UP + chunks}) break
    }
    const after = await memory()
    await m3.dispose()
    console.log(JSON.stringify({
      closed, ahead, rss: after.rss - before.rss, live: after.live - before.live,
    }))`,
    { deadline: 60_000 + chunks * 10, execArgv: ['--expose-gc'] },
  )
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const { closed, ahead, rss, live } = JSON.parse(stdout)
  expect(closed).toBe(true)
  expect(ahead).toBeLessThanOrEqual(513)
  // all payloads would be 82 MB or more
  expect(live / 1e6).toBeLessThan(8)
  // what the allocators keep of their peak: 30 to 45, and no more after twenty times as many chunks
  expect(rss / 1e6).toBeLessThan(60)
}
