/** What somebody keeps by hand: beside what embedders keep, in both tiers, from several processes. */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openCache } from '../../lib/exports/cache.js'
import { Embedder, EmbedderError, type Embedding } from '../../lib/index.js'
import { root, runModule } from '../helpers/child.js'
import { tinyPath } from '../helpers/standins.js'
import { DAY, filesIn, openCache as openWith, useTemporaryFolders } from './helpers.js'

const folder = useTemporaryFolders()
const sha = (text: string) => createHash('sha256').update(text).digest('hex')
const outputs = (embedding: Embedding) => {
  const { dense, sparse, colbert, tokenCount, truncated } = embedding
  return { dense, sparse, colbert, tokenCount, truncated }
}
const kinds = [
  ['memory', false],
  ['disk', true],
] as const

const float = fc.float({ noNaN: true, noDefaultInfinity: true })
const vector = fc.oneof(
  fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 30 }),
  fc.uint16Array({ minLength: 1, maxLength: 30 }),
  fc.int8Array({ minLength: 1, maxLength: 30 }),
)
const embedding = fc.record(
  {
    dense: vector,
    sparse: fc.array(float, { maxLength: 9 }).map((values) => ({
      indices: Uint32Array.from(values.keys()),
      values: Float32Array.from(values),
    })),
    colbert: vector.map((data) => ({ data, rows: data.length, cols: 1 })),
    tokenCount: fc.integer({ min: 1, max: 9000 }),
    truncated: fc.boolean(),
  },
  { requiredKeys: ['dense'] },
)
const metadata = fc.option(fc.jsonValue(), { nil: undefined })

describe.each(kinds)('in %s', (_, isOnDisk) => {
  const open = () => openWith(isOnDisk ? { dir: folder() } : { memoryBytes: 10_000_000 })

  it('what is kept comes back as it was, by text and by hash', async () => {
    const { cache } = await open()
    const unicode = fc.string({ unit: 'grapheme' })
    await fc.assert(
      fc.asyncProperty(
        unicode,
        embedding,
        metadata,
        fc.boolean(),
        async (text, given, more, flush) => {
          cache.set('a model', text, given, { metadata: more })
          if (flush) await cache.flush()
          for (const key of [text, { hash: sha(text) }, { hash: sha(text).toUpperCase() }]) {
            const hit = cache.get('a model', key)
            expect({ ...outputs(hit?.embedding as Embedding) }).toEqual({
              sparse: undefined,
              colbert: undefined,
              tokenCount: 1,
              truncated: false,
              ...given,
            })
            expect(JSON.stringify(hit?.metadata)).toBe(JSON.stringify(more))
          }
          expect(cache.get('another model', text)).toBeUndefined()
        },
      ),
      { numRuns: 100 },
    )
    await cache.close()
  })

  it('the last one stays, also within a millisecond, and goes with `delete`', async () => {
    const { cache } = await open()
    for (let i = 0; i < 10; i++) {
      cache.set('m', 't', { dense: Float32Array.of(i) }, { metadata: i })
      if (i % 3 === 0) await cache.flush()
      expect(cache.get('m', 't')?.metadata).toBe(i)
    }
    await cache.flush()
    expect(cache.get('m', 't')?.embedding.dense).toEqual(Float32Array.of(9))
    expect(cache.describe('m', 't')).toMatchObject([{ output: 'kept', tokenCount: 1 }])
    expect([cache.delete('m', 't'), cache.delete('m', 't')]).toEqual([true, false])
    expect(cache.get('m', 't')).toBeUndefined()
    await cache.close()
  })

  it('expires, counts and is cleared as every entry', async () => {
    const { cache, clock } = await open()
    cache.set('m', 't', { dense: Float32Array.of(1) })
    await cache.flush()
    expect(cache.get('m', 't')?.created).toEqual(new Date(clock.now))
    expect(cache.get('m', 'u')).toBeUndefined()
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 1, hitRate: 0.5 })
    clock.now += 31 * DAY
    expect(cache.get('m', 't')).toBeUndefined()
    cache.set('m', 't', { dense: Float32Array.of(1) })
    await cache.flush()
    clock.now += 31 * DAY
    expect(cache.clearExpired()).toBe(1)
    cache.set('m', 't', { dense: Float32Array.of(1) })
    expect(cache.invalidate('m')).toBe(1)
    cache.set('m', 't', { dense: Float32Array.of(1) })
    cache.clear()
    expect(cache.get('m', 't')).toBeUndefined()
    await cache.close()
  })

  it('a caller’s arrays are the caller’s own', async () => {
    const { cache } = await open()
    const dense = Float32Array.of(1, 2)
    cache.set('m', 't', { dense })
    dense[0] = 9
    const got = cache.get('m', 't')?.embedding.dense as Float32Array
    expect(got).toEqual(Float32Array.of(1, 2))
    got[1] = 9
    expect(cache.get('m', 't')?.embedding.dense).toEqual(Float32Array.of(1, 2))
    await cache.close()
  })

  it('moves by export and import', async () => {
    const from = await open()
    from.cache.set('m', 't', { dense: Int8Array.of(1, 2, 3) }, { metadata: { a: [1] } })
    const file = path.join(folder(), 'export')
    await from.cache.exportTo(file)
    const to = await open()
    expect(await to.cache.importFrom(file)).toMatchObject({ imported: 1 })
    expect(to.cache.get('m', 't')).toMatchObject({ metadata: { a: [1] } })
    await from.cache.close()
    await to.cache.close()
  })
})

it('an embedder finds nothing of it, and it finds what embedders keep', async () => {
  const dir = folder()
  const model = await tinyPath()
  const m3 = await Embedder.load({ model, diskCache: dir })
  const { fingerprint } = m3.info
  const wrong = { dense: new Float32Array(64).fill(0.125) }
  m3.cache?.set(fingerprint, 'a text', wrong)
  const all = await m3.embed('a text', { outputs: 'all' })
  expect(all.cached).toBe(false)
  expect(all.dense).not.toEqual(wrong.dense)
  const again = await m3.embed('a text')
  expect([again.cached, again.dense]).toEqual([true, all.dense])
  await m3.embed('another text', { outputs: 'all' })
  await m3.dispose()

  const cache = await openCache({ cache: false, diskCache: dir })
  expect(cache.get(fingerprint, 'a text')?.embedding.dense).toEqual(wrong.dense)
  // no dense of ours and sparse of theirs: one or the other
  expect(cache.get(fingerprint, 'a text', { outputs: 'all' })?.embedding.dense).toEqual(all.dense)
  cache.delete(fingerprint, 'a text')
  const hit = cache.get(fingerprint, { hash: sha('a text') }, { outputs: 'all' })
  expect(outputs(hit?.embedding as Embedding)).toEqual(outputs(all))
  expect(cache.get(fingerprint, 'another text')?.embedding).not.toHaveProperty('sparse')
  await cache.close()
})

it('several processes see each other’s, and no text is on the disk', async () => {
  const dir = folder()
  const cache = await openCache({ diskCache: dir, cacheTtl: '1h' })
  const write = (value: number) =>
    runModule(`
      import { openCache } from ${JSON.stringify(path.join(root, 'dist/cache.js'))}
      const cache = await openCache({ diskCache: ${JSON.stringify(dir)} })
      cache.set('m', 'a SECRET text', { dense: Float32Array.of(${value}) }, { metadata: ${value} })
      await cache.close()
    `)
  for (const value of [1, 2]) {
    expect((await write(value)).stderr).toBe('')
    expect(cache.get('m', 'a SECRET text')?.metadata).toBe(value)
  }
  cache.set('m', 'a SECRET text', { dense: Float32Array.of(3) })
  await cache[Symbol.asyncDispose]()
  for (const file of filesIn(dir)) expect(fs.readFileSync(file, 'latin1')).not.toContain('SECRET')
})

it('what is wrong is refused, and shows no text', async () => {
  const cache = await openCache()
  const dense = Float32Array.of(1)
  const circle: Record<string, unknown> = {}
  circle.circle = circle
  const calls: (() => unknown)[] = [
    () => cache.set('m', 't', {}),
    () => cache.set('m', 't', null as never),
    () => cache.set('m', 't', { dense: [1] as never }),
    () => cache.set('m', 't', { dense: Float32Array.of(Number.NaN) }),
    () =>
      cache.set('m', 't', { sparse: { indices: Uint32Array.of(1), values: Float32Array.of() } }),
    () => cache.set('m', 't', { colbert: { data: dense, rows: 2, cols: 1 } }),
    () => cache.set('m', 't', { dense, tokenCount: 0 }),
    () => cache.set('m', 't', { dense }, { metadata: circle }),
    () => cache.set('m', 't', { dense }, { metadata: 1n }),
    () => cache.set('m', 't', { dense }, { ttl: 1 } as never),
    () => cache.set(1 as never, 't', { dense }),
    () => cache.get('m', { hash: 'SECRET' }),
    () => cache.get('m', 5 as never),
    () => cache.get('m', 't', { outputs: { dence: true } as never }),
    () => cache.get('m', 't', { output: 'all' } as never),
    () => cache.delete('m', null as never),
  ]
  for (const call of calls) {
    expect(call).toThrow(EmbedderError)
    expect(call).not.toThrow('SECRET')
  }
  // no Unicode: never found, and no error
  cache.set('m', '\ud800', { dense })
  expect([cache.get('m', '\ud800'), cache.delete('m', '\ud800')]).toEqual([undefined, false])
  await cache.close()
  expect(() => cache.get('m', 't')).toThrow('closed')
  expect(() => cache.set('m', 't', { dense })).toThrow('closed')
  await expect(openCache({ memory: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  await expect(openCache({ cache: 'lots' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})
