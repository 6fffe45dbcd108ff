/**
 * A mixed job in a process of its own: chunks with repeats from 8 concurrent callers, some bad,
 * a fifth cancelled halfway; then the same job again.
 */
import { expect, it } from 'vitest'
import { importPackage, root, runModule } from '../helpers/child.js'
import { tinyPath } from '../helpers/standins.js'

const MEMORY_LIMIT = 400_000_000
const CALLERS = 8

const program = (model: string, chunks: number) => `${importPackage}
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const texts = ['en', 'de', 'zh', 'ar'].flatMap((language) =>
  JSON.parse(fs.readFileSync(${JSON.stringify(root)} + '/test/fixtures/xquad/' + language + '.json'))
    .map(({ text }) => text))
// repeats: every text comes several times, with one of three beginnings
const textOf = (i) => ['', 'Again: ', 'Once more: '][Math.floor(i / texts.length) % 3] + texts[(i * 7) % texts.length]
const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, memoryLimit: ${MEMORY_LIMIT}, cache: '64MB' })

const { dimensions } = m3.info
const CALLERS = ${CALLERS}
const PER_CALLER = ${chunks / CALLERS}
const CALLS = 25
const isBad = (i) => i % 97 === 3
const count = { embedded: 0, bad: 0, cancelled: 0, other: 0, hits: 0 }

/** Calls of some chunks each, one after the other; every fifth call is cancelled when it is under way. */
async function caller(c, cancelling) {
  for (let call = 0; call < CALLS; call++) {
    const size = PER_CALLER / CALLS
    const items = Array.from({ length: size }, (_, k) => {
      const i = c * PER_CALLER + call * size + k
      return isBad(i) ? 'lone \\ud800 surrogate' : textOf(i)
    })
    const controller = new AbortController()
    const reason = new Error('cancelled')
    if (cancelling && call % 5 === 4) sleep(1).then(() => controller.abort(reason))
    try {
      const results = await m3.embed(items, {
        onError: 'collect', signal: controller.signal, priority: c % 2 ? 'bulk' : 'interactive',
      })
      results.forEach((result, k) => {
        const i = c * PER_CALLER + call * size + k
        if (result instanceof Error) {
          if (result.code === 'INVALID_INPUT' && result.index === k && isBad(i)) count.bad++
          else count.other++
        } else if (result.dense?.length === dimensions && !isBad(i)) {
          count.embedded++
          if (result.cached) count.hits++
        } else count.other++
      })
      if (results.length !== size) count.other += size
    } catch (error) {
      if (error === reason) count.cancelled += size
      else { count.other += size; console.error(error) }
    }
  }
}

async function job(cancelling) {
  Object.keys(count).forEach((key) => { count[key] = 0 })
  await Promise.all(Array.from({ length: CALLERS }, (_, c) => caller(c, cancelling)))
  return { ...count }
}

const first = await job(true)
const pendingAfter = m3.stats().pending
// what was cancelled is computed now, so that the last run finds everything
const second = await job(false)
const before = m3.stats().cache
const { batches } = m3.stats()
const third = await job(false)
const after = m3.stats().cache
const peak = Number(/VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
console.log(JSON.stringify({
  first, second, third, pendingAfter, peak, computed: m3.stats().batches - batches,
  hitRate: (after.hits - before.hits) / (after.hits - before.hits + after.misses - before.misses),
}))
`

export function mixedJob(chunks: number): void {
  it(`${chunks} chunks: every one accounted for, memory in its limit, then all from the cache`, {
    timeout: 600_000 + chunks * 100,
  }, async () => {
    const model = await tinyPath()
    const end = await runModule(program(model, chunks), { deadline: 60_000 + chunks * 100 })
    expect(end, end.stderr.slice(-2000)).toMatchObject({ code: 0, signal: null, timedOut: false })
    const { first, second, third, pendingAfter, peak, computed, hitRate } = JSON.parse(end.stdout)
    expect(first.other).toBe(0)
    expect(first.embedded + first.bad + first.cancelled).toBe(chunks)
    // at least half of the fifth that is to be
    expect(first.cancelled).toBeGreaterThan(chunks / 10)
    expect(pendingAfter).toBe(0)
    const bad = Array.from({ length: chunks }, (_, i) => i % 97 === 3).filter(Boolean).length
    for (const run of [second, third]) {
      expect(run).toMatchObject({ other: 0, cancelled: 0, bad, embedded: chunks - bad })
    }
    expect(third.hits).toBe(third.embedded)
    expect(hitRate).toBe(1)
    expect(computed).toBe(0)
    expect(peak).toBeLessThan(MEMORY_LIMIT)
    console.info(`${chunks} chunks: peak ${(peak / 1e6).toFixed(0)} MB`)
  })
}
