/** Ends of all kinds, each in a process of its own with a deadline. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importPackage, runModule } from '../helpers/child.js'
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
work.catch(() => {})
setTimeout(() => console.log('MARK'), 300)
`

describe('a clean end within two seconds', () => {
  it('process.exit() while embedding', async () => {
    const end = await runModule(`${busy()}
      setTimeout(() => process.exit(7), 310); await work`)
    expect(end).toMatchObject({ code: 7, signal: null, timedOut: false, stderr: '' })
    expect(end.millisecondsAfterMark).toBeLessThan(2000)
  })

  it('dispose while embedding: the process ends by itself', async () => {
    const end = await runModule(`${busy()}
      setTimeout(async () => { await m3.dispose(); console.log('disposed') }, 310)
      await work.catch((e) => console.log(e.code))`)
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
    expect(end.stdout).toContain('DISPOSED')
    expect(end.millisecondsAfterMark).toBeLessThan(2000)
  })

  it('an embedder that is never disposed does not keep the process alive', async () => {
    const end = await runModule(
      `${importPackage}
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
      await m3.embed('a'); console.log('MARK')`,
    )
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
    expect(end.millisecondsAfterMark).toBeLessThan(2000)
  })

  it('SIGINT while embedding ends as any process does', async () => {
    const end = await runModule(`${busy()} await work`, { signalAtMark: 'SIGINT' })
    expect(end).toMatchObject({ signal: 'SIGINT', timedOut: false })
    expect(end.millisecondsAfterMark).toBeLessThan(2000)
  })

  it('an uncaught exception while embedding', async () => {
    const end = await runModule(`${busy()}
      setTimeout(() => { throw new Error('boom') }, 310); await work`)
    expect(end).toMatchObject({ code: 1, signal: null, timedOut: false })
    expect(end.stderr).toContain('boom')
    expect(end.millisecondsAfterMark).toBeLessThan(2000)
  })

  it('exit while the model is being read', async () => {
    const end = await runModule(`${importPackage}
      Embedder.load({ model: ${JSON.stringify(model)}, cache: false }).catch(() => {})
      setTimeout(() => { console.log('MARK'); process.exit(3) }, 15)`)
    expect(end).toMatchObject({ code: 3, signal: null, timedOut: false, stderr: '' })
    expect(end.millisecondsAfterMark).toBeLessThan(2500)
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
      await Promise.all(four.map(message)); console.log('MARK')
      await Promise.all(four.map((w) => w.terminate())); console.log('ended')`)
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
    expect(end.stdout).toContain('ended')
    expect(end.millisecondsAfterMark).toBeLessThan(2000)
  })

  it('gives the same bits as the main thread, and shares its weights', async () => {
    const end = await runModule(`${worker(`
      import { parentPort } from 'node:worker_threads'
      const started = performance.now()
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
      const load = performance.now() - started
      parentPort.postMessage({ load, dense: (await m3.embed('same bits')).dense })`)}
      ${importPackage}
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
      const here = (await m3.embed('same bits')).dense
      const { load, dense } = await message(start())
      console.log(JSON.stringify({ same: Buffer.from(here.buffer).equals(Buffer.from(dense.buffer)), load }))
      await m3.dispose()`)
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
    const { same, load } = JSON.parse(end.stdout)
    expect(same).toBe(true)
    expect(load).toBeLessThan(1000)
  })

  it('process.exit() in the main thread while workers embed', async () => {
    const end = await runModule(`${worker(embedLong())}
      const two = [start(), start()]; await Promise.all(two.map(message))
      setTimeout(() => { console.log('MARK'); process.exit(5) }, 100)`)
    expect(end).toMatchObject({ code: 5, signal: null, timedOut: false, stderr: '' })
    expect(end.millisecondsAfterMark).toBeLessThan(2500)
  })
})
