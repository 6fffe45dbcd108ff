/** Everything at once for a while, in a process of its own: what is held then, and after dispose. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { importPackage, root, runModule } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'

const program = (seconds: number, models: string[], diskCache: string) => `${importPackage}
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const texts = ['en', 'de', 'zh', 'ar'].flatMap((language) =>
  JSON.parse(fs.readFileSync(${JSON.stringify(root)} + '/test/fixtures/xquad/' + language + '.json'))
    .map(({ text }) => text.slice(0, 600)))
const [model, other] = ${JSON.stringify(models)}
const status = (key) => Number(new RegExp(key + ':\\\\s+(\\\\d+)').exec(fs.readFileSync('/proc/self/status', 'utf8'))[1])
// what is garbage is gone only after finalizers and sweepers had their turn
async function rss() {
  let least = Infinity
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await sleep(100)
    least = Math.min(least, status('VmRSS') * 1024)
  }
  return least
}
const threads = () => fs.readdirSync('/proc/self/task').length
const files = () => fs.readdirSync('/proc/self/fd').map((fd) => {
  try { return fs.readlinkSync('/proc/self/fd/' + fd) } catch { return '' }
}).filter((name) => name.startsWith('/') && !name.startsWith('/dev') && !name.startsWith('/proc'))

// threads and files that Node itself opens on first use are there before we count
await fs.promises.readFile(model, { encoding: 'latin1', flag: 'r' }).catch(() => {})
const load = (options) => Embedder.load({
  model, threads: 1, cache: '4MB', diskCache: ${JSON.stringify(diskCache)}, diskCacheSize: '20MB', ...options,
})
await (await load({})).dispose()
const before = { threads: threads(), files: files(), rss: await rss() }

let m3 = await load({})
let n = 0
let random = 12345
const dice = (sides) => (random = (Math.imul(random, 1103515245) + 12345) >>> 0) % sides
const text = () => (dice(4) ? String(n++) + ' ' : '') + texts[dice(texts.length)]
const many = (count) => Array.from({ length: count }, text)
const outputs = () => ({ dense: true, sparse: dice(2) === 0, colbert: dice(4) === 0 })
const counts = {}
async function* endless() { for (;;) yield text() }
const actions = {
  one: () => m3.embed(text()),
  array: () => m3.embed(many(1 + dice(60)), { outputs: outputs() }),
  bulk: () => m3.embed(many(40), { priority: 'bulk' }),
  int8: () => m3.embed(many(10), { precision: 'int8', dimensions: 32 }),
  bad: () => m3.embed([...many(3), 'lone \\ud800', 7], { onError: 'collect' }),
  refused: () => m3.embed([...many(3), 'lone \\ud800']).then(() => { throw new Error('not refused') }, (e) => { if (e.code !== 'BATCH') throw e }),
  long: () => m3.embed(Array(400 + dice(1500)).fill('word').join(' ') + text()),
  chunks: () => m3.embedChunks(many(20).map((text, i) => ({ id: String(i), text }))),
  stream: async () => { let i = 0; for await (const _ of m3.embedStream(endless())) if (++i >= 60) break },
  cancelled: async () => {
    const controller = new AbortController()
    const work = m3.embed(many(200), { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), dice(20))
    await work.catch((e) => { if (e.message !== 'enough') throw e })
  },
  timeout: () => m3.embed(many(300), { timeout: 1 + dice(10) }).catch((e) => { if (e.code !== 'TIMEOUT') throw e }),
  count: () => m3.countTokens(many(50)),
  estimate: () => m3.estimate(many(5)),
}
const names = Object.keys(actions)
const end = performance.now() + ${seconds} * 1000
const started = performance.now()
// on a slow machine it takes longer until everything has had its turn
const goesOn = () => performance.now() < end || Object.keys(counts).length < names.length
const samples = []

// samples are taken while nobody works, or what happens to be under way would be all that is seen
let pause
let working = 0
async function caller() {
  while (goesOn()) {
    await pause?.promise
    working++
    const name = names[dice(names.length)]
    await actions[name]()
    counts[name] = (counts[name] ?? 0) + 1
    working--
  }
}
async function watch() {
  for (let i = 0; goesOn(); i++) {
    await sleep(1500)
    // away from the model and back again, with work under way
    if (i % 3 === 1) await m3.swapModel({ model: other })
    if (i % 3 === 2) await m3.swapModel({ model })
    if (i % 3 !== 0) continue
    let go
    pause = { promise: new Promise((resolve) => { go = resolve }) }
    while (working > 0) await sleep(5)
    // a context for long texts is given back after two seconds
    await sleep(2300)
    samples.push([(performance.now() - started) / 1000, await rss()])
    pause = undefined
    go()
  }
}
await Promise.all([caller(), caller(), caller(), watch()])
const atEnd = await rss()
await m3.dispose()
await sleep(500)
const after = { threads: threads(), files: files(), rss: await rss() }
console.log(JSON.stringify({ before, after, atEnd, samples, counts }))
`

export type Samples = readonly (readonly [seconds: number, bytes: number])[]

/** Resident bytes over time, taken while nobody works; after dispose nothing else is left. */
export async function soak(seconds: number): Promise<Samples> {
  const models = [
    await standinPath({ size: 'tiny' }),
    await standinPath({ size: 'tiny', seed: 2, type: 'q8_0' }),
  ]
  const folder = await mkdtemp(join(tmpdir(), 'bge-m3-soak-'))
  try {
    const end = await runModule(program(seconds, models, folder), {
      deadline: (seconds + 120) * 1000,
      execArgv: ['--expose-gc'],
    })
    expect(end, end.stderr.slice(-2000)).toMatchObject({ code: 0, signal: null, timedOut: false })
    const { before, after, atEnd, samples, counts } = JSON.parse(end.stdout)
    const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
    console.info(
      `soak: ${mb(before.rss)} before, ${mb(after.rss)} after; ${JSON.stringify(counts)}`,
    )
    expect(after.threads).toBeLessThanOrEqual(before.threads)
    expect(after.files).toEqual(before.files)
    expect(after.rss).toBeLessThan(atEnd)
    // the heap of JavaScript and touched code stay; weights, contexts and caches do not
    expect(after.rss).toBeLessThan(before.rss + 80e6)
    expect(Object.keys(counts)).toHaveLength(13)
    return samples
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
