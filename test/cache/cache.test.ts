import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Asked, CachedOutputs } from '../../lib/cache/entry/types.js'
import { ENTRY_OVERHEAD } from '../../lib/cache/memory.js'
import { runModule } from '../helpers/child.js'
import {
  ALL,
  bundleCache,
  DAY,
  DENSE,
  dense,
  everything,
  floats,
  LIMIT,
  openCache,
  type TestOptions,
  useTemporaryFolders,
} from './helpers.js'

const folder = useTemporaryFolders()

const TIERS: [string, () => TestOptions][] = [
  ['memory', () => ({ memoryBytes: 1_000_000 })],
  ['disk', () => ({ dir: folder() })],
  ['memory and disk', () => ({ memoryBytes: 1_000_000, dir: folder() })],
]

const bits = (array: Float32Array | Uint32Array | undefined) =>
  array && Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex')

/** An answer as something that can be compared bit for bit. */
const exact = (outputs: CachedOutputs | undefined) =>
  outputs && {
    tokenCount: outputs.tokenCount,
    truncated: outputs.truncated,
    pooled: bits(outputs.pooled),
    indices: bits(outputs.sparse?.indices),
    values: bits(outputs.sparse?.values),
    colbert: bits(outputs.colbert),
  }

describe.each(TIERS)('a cache in %s', (_name, options) => {
  it('gives back every bit of what was set, for any texts, models and outputs', async () => {
    const { cache } = await openCache(options())
    const known = new Map<string, CachedOutputs>()
    const step = fc.record({
      model: fc.constantFrom('one', 'two'),
      text: fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom('', 'a', 'b')),
      seed: fc.nat(1000),
      asked: fc.record({ dense: fc.boolean(), sparse: fc.boolean(), colbert: fc.boolean() }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        for (const { model, text, seed, asked } of steps) {
          const key = `${model}\0${text}`
          const truth = known.get(key) ?? everything(seed)
          const part = pick(truth, asked)
          // what a text gives never changes, only which outputs are known of it
          known.set(key, truth)
          cache.keep(model, text, part, LIMIT)
          const got = cache.find(model, text, asked, LIMIT)
          if (asked.dense || asked.sparse || asked.colbert) expect(exact(got)).toEqual(exact(part))
          else expect(got).toBeUndefined()
        }
        await cache.flush()
        for (const { model, text, asked } of steps) {
          if (!asked.dense && !asked.sparse && !asked.colbert) continue
          const truth = known.get(`${model}\0${text}`) as CachedOutputs
          const got = cache.find(model, text, asked, LIMIT)
          expect(exact(got)).toEqual(exact(pick(truth, asked)))
        }
      }),
      { numRuns: 30 },
    )
    await cache.close()
  })

  it('keeps outputs apart, and answers with exactly those that were asked for', async () => {
    const { cache } = await openCache(options())
    cache.keep('m', 'text', pick(everything(3), { ...ALL, colbert: false }), LIMIT)
    expect(Object.keys(cache.find('m', 'text', DENSE, LIMIT) ?? {}).sort()).toEqual([
      'pooled',
      'tokenCount',
      'truncated',
    ])
    expect(cache.find('m', 'text', { ...DENSE, sparse: true }, LIMIT)?.sparse).toBeDefined()
    expect(cache.find('m', 'text', ALL, LIMIT)).toBeUndefined()
    cache.keep('m', 'text', pick(everything(3), { ...ALL, dense: false, sparse: false }), LIMIT)
    expect(exact(cache.find('m', 'text', ALL, LIMIT))).toEqual(exact(everything(3)))
    expect(cache.find('other', 'text', DENSE, LIMIT)).toBeUndefined()
    expect(cache.find('m', 'text ', DENSE, LIMIT)).toBeUndefined()
    await cache.close()
  })

  it('is not reached through arrays that went in or came out', async () => {
    const { cache } = await openCache(options())
    const truth = everything(9)
    const given = everything(9)
    cache.keep('m', 't', given, LIMIT)
    spoil(given)
    for (let round = 0; round < 3; round++) {
      const got = cache.find('m', 't', ALL, LIMIT) as CachedOutputs
      expect(exact(got)).toEqual(exact(truth))
      spoil(got)
      if (round === 1) await cache.flush()
    }
    await cache.close()
  })

  it('minds limits: a long text is no hit, a cut one only at the same limit', async () => {
    const { cache } = await openCache(options())
    const plain = { ...dense(1), tokenCount: 100 }
    const cut = { ...dense(2), tokenCount: 50, truncated: true }
    const error = (maxTokens: number) => ({ maxTokens, truncate: 'error' as const })
    const end = (maxTokens: number) => ({ maxTokens, truncate: 'end' as const })
    const get = (limit: ReturnType<typeof error | typeof end>) =>
      exact(cache.find('m', 't', DENSE, limit))

    cache.keep('m', 't', cut, end(50))
    expect(get(end(50))).toEqual(exact(cut))
    for (const limit of [error(50), end(49), end(51), error(8192), end(8192)]) {
      expect(get(limit)).toBeUndefined()
    }
    cache.keep('m', 't', plain, end(100))
    for (const limit of [error(100), end(100), error(8192), end(8192)]) {
      expect(get(limit)).toEqual(exact(plain))
    }
    expect(get(end(50))).toEqual(exact(cut))
    for (const limit of [error(99), end(99), error(50)]) expect(get(limit)).toBeUndefined()
    await cache.close()
  })

  it('takes no text without UTF-8 for another, and keeps nothing that is not finite', async () => {
    const { cache } = await openCache(options())
    cache.keep('m', '\ud800', dense(1), LIMIT)
    expect(cache.find('m', '\ud800', DENSE, LIMIT)).toBeUndefined()
    expect(cache.find('m', '\ufffd', DENSE, LIMIT)).toBeUndefined()
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const outputs = dense(1)
      ;(outputs.pooled as Float32Array)[7] = bad
      cache.keep('m', 'bad', outputs, LIMIT)
      expect(cache.find('m', 'bad', DENSE, LIMIT)).toBeUndefined()
    }
    expect(cache.describe('m', '\ud800')).toEqual([])
    await cache.close()
  })

  it('forgets after the time to live, counted from being computed', async () => {
    const { cache, clock } = await openCache({ ...options(), ttlMs: 10 * DAY })
    cache.keep('m', 'old', dense(1), LIMIT)
    await cache.flush()
    clock.now += 6 * DAY
    cache.keep('m', 'new', dense(2), LIMIT)
    await cache.flush()
    expect(cache.find('m', 'old', DENSE, LIMIT)).toBeDefined()
    clock.now += 4 * DAY
    expect(cache.find('m', 'old', DENSE, LIMIT)).toBeDefined()
    clock.now += 1
    expect(cache.find('m', 'old', DENSE, LIMIT)).toBeUndefined()
    expect(cache.find('m', 'new', DENSE, LIMIT)).toBeDefined()
    clock.now += 6 * DAY
    await cache.flush()
    expect(cache.clearExpired()).toBe(1)
    const { memory, disk } = cache.stats()
    expect([memory.entries, disk.entries]).toEqual([0, 0])
    expect(memory.expired + disk.expired).toBeGreaterThanOrEqual(2)
    await cache.close()
  })

  it('neither expires nor keeps everything when the clock is put back', async () => {
    const { cache, clock } = await openCache({ ...options(), ttlMs: 10 * DAY })
    cache.keep('m', 'read', dense(1), LIMIT)
    cache.keep('m', 'swept', dense(2), LIMIT)
    await cache.flush()
    clock.now -= 3650 * DAY
    expect(cache.find('m', 'read', DENSE, LIMIT)).toBeDefined()
    await cache.flush()
    expect(cache.clearExpired()).toBe(0)
    clock.now += 5 * DAY
    expect(cache.find('m', 'read', DENSE, LIMIT)).toBeDefined()
    expect(cache.find('m', 'swept', DENSE, LIMIT)).toBeDefined()
    // from the first look after the change on, they are as old as if they had been made then
    clock.now += 10 * DAY + 1
    expect(cache.find('m', 'read', DENSE, LIMIT)).toBeUndefined()
    expect(cache.find('m', 'swept', DENSE, LIMIT)).toBeUndefined()
    await cache.close()
  })

  it('removes the entries of one model, of all others, or all', async () => {
    const { cache } = await openCache(options())
    for (const model of ['a', 'b', 'c']) {
      for (let i = 0; i < 10; i++) cache.keep(model, `t${i}`, dense(i), LIMIT)
    }
    await cache.flush()
    const left = () =>
      ['a', 'b', 'c'].map(
        (model) =>
          Array.from({ length: 10 }, (_, i) => cache.find(model, `t${i}`, DENSE, LIMIT)).filter(
            Boolean,
          ).length,
      )
    expect(left()).toEqual([10, 10, 10])
    expect(cache.invalidate('b')).toBe(10)
    expect(left()).toEqual([10, 0, 10])
    expect(cache.invalidate('b')).toBe(0)
    expect(cache.invalidateOthers('c')).toBe(10)
    expect(left()).toEqual([0, 0, 10])
    cache.clear()
    expect(left()).toEqual([0, 0, 0])
    cache.keep('a', 't0', dense(0), LIMIT)
    await cache.flush()
    expect(left()).toEqual([1, 0, 0])
    await cache.close()
  })

  it('removes what is still on its way to the disk, too', async () => {
    const { cache } = await openCache(options())
    cache.keep('a', 't', dense(0), LIMIT)
    expect(cache.invalidate('a')).toBe(1)
    // at any moment of the writing
    for (let turns = 0; turns < 30; turns++) {
      cache.keep('a', 'u', dense(0, 50_000), LIMIT)
      const flushed = cache.flush()
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
      if (turns % 3 === 0) cache.clear()
      else cache.invalidate('a')
      expect(cache.find('a', 'u', DENSE, LIMIT)).toBeUndefined()
      await flushed
      await cache.flush()
      expect(cache.find('a', 'u', DENSE, LIMIT)).toBeUndefined()
    }
    expect(cache.find('a', 't', DENSE, LIMIT)).toBeUndefined()
    expect(cache.find('a', 'u', DENSE, LIMIT)).toBeUndefined()
    expect(cache.stats().disk.entries).toBe(0)
    await cache.close()
  })

  it('counts, and knows when an entry was made and used', async () => {
    const { cache, clock } = await openCache(options())
    expect(cache.stats().hitRate).toBe(0)
    const created = clock.now
    cache.keep('m', 't', { ...dense(1), tokenCount: 7 }, LIMIT)
    await cache.flush()
    expect(cache.describe('m', 't')).toEqual([
      { output: 'dense', tokenCount: 7, truncated: false, created, lastAccess: created, hits: 0 },
    ])
    clock.now += 5000
    for (let i = 0; i < 3; i++) cache.find('m', 't', DENSE, LIMIT)
    cache.find('m', 'missing', DENSE, LIMIT)
    await cache.flush()
    expect(cache.describe('m', 't')).toMatchObject([{ created, lastAccess: clock.now, hits: 3 }])
    const stats = cache.stats()
    expect(stats).toMatchObject({ hits: 3, misses: 1, hitRate: 0.75 })
    expect(stats.memoryHits + stats.diskHits).toBe(3)
    cache.keep('m', 'cut', { ...dense(1), truncated: true }, { maxTokens: 5, truncate: 'end' })
    expect(cache.describe('m', 'cut')).toEqual([])
    await cache.flush()
    expect(cache.describe('m', 'cut', 5)).toMatchObject([{ truncated: true }])
    await cache.close()
  })
})

describe('the memory tier', () => {
  it('drops what was not used for the longest time, and stays within its bytes', async () => {
    const one = 64 * 4 + ENTRY_OVERHEAD
    const { cache } = await openCache({ memoryBytes: one * 10 })
    for (let i = 0; i < 10; i++) cache.keep('m', `t${i}`, dense(i), LIMIT)
    expect(cache.stats().memory).toMatchObject({ entries: 10, bytes: one * 10, evictions: 0 })
    cache.find('m', 't0', DENSE, LIMIT)
    for (let i = 10; i < 15; i++) cache.keep('m', `t${i}`, dense(i), LIMIT)
    const alive = Array.from({ length: 15 }, (_, i) => i).filter((i) =>
      cache.find('m', `t${i}`, DENSE, LIMIT),
    )
    expect(alive).toEqual([0, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    expect(cache.stats().memory).toMatchObject({ entries: 10, bytes: one * 10, evictions: 5 })
  })

  it('keeps nothing that takes over half of it, nor anything when it is off', async () => {
    const { cache } = await openCache({ memoryBytes: 10_000 })
    cache.keep('m', 'small', dense(1), LIMIT)
    cache.keep('m', 'large', dense(1, 2000), LIMIT)
    expect(cache.find('m', 'large', DENSE, LIMIT)).toBeUndefined()
    expect(cache.find('m', 'small', DENSE, LIMIT)).toBeDefined()
    const off = await openCache({ memoryBytes: 0 })
    off.cache.keep('m', 't', dense(1), LIMIT)
    expect(off.cache.find('m', 't', DENSE, LIMIT)).toBeUndefined()
    expect(await off.cache.warmup()).toBe(0)
    expect(off.cache.stats()).toMatchObject({ memory: { maxBytes: 0 }, disk: { state: 'off' } })
  })

  it('sweeps what expired when it is written to', async () => {
    const { cache, clock } = await openCache({ memoryBytes: 100_000, ttlMs: DAY })
    for (let i = 0; i < 20; i++) cache.keep('m', `t${i}`, dense(i), LIMIT)
    clock.now += 2 * DAY
    cache.keep('m', 'new', dense(1), LIMIT)
    expect(cache.stats().memory).toMatchObject({ entries: 1, expired: 20 })
  })

  it('counts the bytes that entries really take', async () => {
    const source = `
      import { EmbeddingCache } from ${JSON.stringify(bundleCache(folder()))}
      const cache = await EmbeddingCache.open({ memoryBytes: 5e8, ttlMs: 1e9, warn() {} })
      const used = () => (gc(), gc(), process.memoryUsage())
      const before = used()
      for (let i = 0; i < 50_000; i++) {
        const pooled = new Float32Array(256).fill(i)
        cache.keep('m', 'text ' + i, { tokenCount: 5, truncated: false, pooled }, { maxTokens: 9, truncate: 'error' })
      }
      const after = used()
      const took = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
      console.log(took / 50_000, cache.stats().memory.bytes / 50_000)`
    const { stdout, stderr } = await runModule(source, { execArgv: ['--expose-gc'] })
    expect(stderr).toBe('')
    const [took, counted] = stdout.split(' ').map(Number) as [number, number]
    expect(counted).toBe(1024 + ENTRY_OVERHEAD)
    expect(took).toBeLessThan(counted * 1.1)
    expect(took).toBeGreaterThan(counted * 0.7)
  })
})

describe('warmup', () => {
  it('fills memory from the disk, the latest used first, and drops nothing for it', async () => {
    const dir = folder()
    const first = await openCache({ dir })
    for (let i = 0; i < 40; i++) {
      first.clock.now += 1000
      first.cache.keep(i % 2 ? 'm' : 'n', `t${i}`, dense(i), LIMIT)
      await first.cache.flush()
    }
    first.clock.now += 1000
    first.cache.find('m', 't1', DENSE, LIMIT)
    await first.cache.close()

    const room = 10 * (64 * 4 + ENTRY_OVERHEAD)
    const { cache, clock } = await openCache({ dir, memoryBytes: room, clock: first.clock })
    expect(await cache.warmup('m')).toBe(10)
    expect(await cache.warmup('m')).toBe(0)
    clock.now += 1
    const expected = [1, 39, 37, 35, 33, 31, 29, 27, 25, 23]
    for (const i of expected) {
      const got = cache.find('m', `t${i}`, DENSE, LIMIT)
      expect(bits(got?.pooled)).toBe(bits(floats(64, i)))
    }
    expect(cache.stats()).toMatchObject({ memoryHits: 10, diskHits: 0, memory: { evictions: 0 } })
    await cache.close()
  })
})

function pick(outputs: CachedOutputs, asked: Asked): CachedOutputs {
  const { tokenCount, truncated, pooled, sparse, colbert } = outputs
  return {
    tokenCount,
    truncated,
    ...(asked.dense && pooled && { pooled }),
    ...(asked.sparse && sparse && { sparse }),
    ...(asked.colbert && colbert && { colbert }),
  }
}

function spoil(outputs: CachedOutputs): void {
  outputs.pooled?.fill(-1)
  outputs.colbert?.fill(-1)
  outputs.sparse?.indices.fill(7)
  outputs.sparse?.values.fill(-1)
}
