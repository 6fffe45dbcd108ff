/** Ends of all kinds, each in a process of its own with a deadline. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChildResult, importPackage, runModule } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'

let model: string
beforeAll(async () => {
  model = await standinPath({ size: 'small' })
})

/** Work that goes on for minutes. */
const busy = () => `${importPackage}
const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
const text = 'the quick brown fox jumps over the lazy dog '.repeat(50)
const work = m3.embed(Array.from({ length: 2000 }, (_, i) => i + text))
work.then(() => console.log('FINISHED'), () => {})
while (m3.stats().batches === 0) await new Promise((resolve) => setTimeout(resolve, 5))
console.log('MARK')
`

/** Not because the work was done in the meantime. */
const expectUnfinished = ({ stdout }: ChildResult) => expect(stdout).not.toContain('FINISHED')

describe('a clean end', () => {
  it('process.exit() while embedding', async () => {
    const end = await runModule(`${busy()}
      process.exit(7)`)
    expect(end).toMatchObject({ code: 7, signal: null, timedOut: false, stderr: '' })
    expectUnfinished(end)
  })

  it('dispose while embedding: the process ends by itself', async () => {
    const end = await runModule(`${busy()}
      const code = work.catch((e) => console.log(e.code))
      await m3.dispose(); await code`)
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
    expect(end.stdout).toContain('DISPOSED')
    expectUnfinished(end)
  })

  it('an embedder that is never disposed does not keep the process alive', async () => {
    const end = await runModule(
      `${importPackage}
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
      await m3.embed('a')`,
    )
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
  })

  it('SIGINT while embedding ends as any process does', async () => {
    const end = await runModule(`${busy()} await work`, { signalAtMark: 'SIGINT' })
    expect(end).toMatchObject({ signal: 'SIGINT', timedOut: false })
    expectUnfinished(end)
  })

  it('an uncaught exception while embedding', async () => {
    const end = await runModule(`${busy()}
      setTimeout(() => { throw new Error('boom') }); await work`)
    expect(end).toMatchObject({ code: 1, signal: null, timedOut: false })
    expect(end.stderr).toContain('boom')
    expectUnfinished(end)
  })

  it('exit while the model is being read', async () => {
    const end = await runModule(`${importPackage}
      Embedder.load({ model: ${JSON.stringify(model)}, cache: false }).catch(() => {})
      setTimeout(() => process.exit(3), 15)`)
    expect(end).toMatchObject({ code: 3, signal: null, timedOut: false, stderr: '' })
  })
})

describe('worker threads', () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-worker-'))
  let files = 0
  afterAll(() => fs.rmSync(dir, { recursive: true, force: true }))

  /** The start of a program whose workers run `body`. */
  const worker = (body: string) => {
    const file = path.join(dir, `worker-${files++}.mjs`)
    fs.writeFileSync(file, `${importPackage}\n${body}`)
    return `
    import { Worker } from 'node:worker_threads'
    const start = () => new Worker(${JSON.stringify(file)}, { execArgv: [] })
    const message = (w) => new Promise((ok, no) => { w.once('message', ok); w.once('error', no) })
  `
  }
  const embedLong = () => `
    import { parentPort } from 'node:worker_threads'
    const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
    const text = 'the quick brown fox jumps over the lazy dog '.repeat(50)
    const work = m3.embed(Array.from({ length: 500 }, (_, i) => i + text))
    parentPort.postMessage('started')
    await work`

  it('terminated while embedding, ten times, the last ones together', async () => {
    const end = await runModule(`${worker(embedLong())}
      for (let i = 0; i < 6; i++) {
        const w = start(); await message(w)
        await new Promise((r) => setTimeout(r, 5 * i)); await w.terminate()
      }
      const four = [start(), start(), start(), start()]
      await Promise.all(four.map(message)); await Promise.all(four.map((w) => w.terminate())); console.log('ended')`)
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
    expect(end.stdout).toContain('ended')
  })

  it('gives the same bits as the main thread, and shares its weights', async () => {
    const end = await runModule(`${worker(`
      import { parentPort } from 'node:worker_threads'
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
      parentPort.postMessage({ dense: (await m3.embed('same bits')).dense })`)}
      ${importPackage}
      import fs from 'node:fs'
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
      const here = (await m3.embed('same bits')).dense
      const bytesRead = () => Number(/rchar: (\\d+)/.exec(fs.readFileSync('/proc/self/io', 'utf8'))?.[1])
      const before = process.platform === 'linux' ? bytesRead() : 0
      const { dense } = await message(start())
      const read = process.platform === 'linux' ? bytesRead() - before : 0
      console.log(JSON.stringify({ same: Buffer.from(here.buffer).equals(Buffer.from(dense.buffer)), read }))
      await m3.dispose()`)
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
    const { same, read } = JSON.parse(end.stdout)
    expect(same).toBe(true)
    expect(read).toBeLessThan(fs.statSync(model).size / 2)
  })

  it('process.exit() in the main thread while workers embed', async () => {
    const end = await runModule(`${worker(embedLong())}
      const two = [start(), start()]; await Promise.all(two.map(message))
      setTimeout(() => process.exit(5), 100)`)
    expect(end).toMatchObject({ code: 5, signal: null, timedOut: false, stderr: '' })
  })
})
