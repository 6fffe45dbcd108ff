// One engine in a process of its own, asked over IPC: so that its memory is its own, and an engine that
// falls over costs nothing but its own column.
import fs from 'node:fs'
import { performance } from 'node:perf_hooks'

let engine
const prepared = new Map()

const operations = {
  async open({ module, options }) {
    const from = performance.now()
    const { open } = await import(module)
    engine = await open(options)
    return { name: engine.name, details: engine.details, openMs: performance.now() - from }
  },
  async prepare({ shape, input }) {
    prepared.set(shape, await engine.prepare(input))
  },
  /** @returns milliseconds of one call */
  async embed({ shape }) {
    const input = prepared.get(shape)
    const from = performance.now()
    const vector = await engine.embed(input)
    const ms = performance.now() - from
    if (!vector?.length || !Number.isFinite(vector[0]))
      throw new Error('no finite vector came back')
    return { ms }
  },
  memory() {
    const status = fs.readFileSync('/proc/self/status', 'utf8')
    const bytes = (key) => 1024 * Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1])
    return { rss: bytes('VmRSS'), peak: bytes('VmHWM') }
  },
  async close() {
    await engine?.close()
    setImmediate(() => process.disconnect())
  },
}

process.on('message', async ({ id, operation, ...rest }) => {
  try {
    process.send({ id, value: await operations[operation](rest) })
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) })
  }
})
