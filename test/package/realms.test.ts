/** The built package where classes and globals are not Node's; test/slow/package/realms.test.ts has real runners. */
import { createRequire } from 'node:module'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type * as package_ from '../../lib/index.js'
import { root } from '../helpers/child.js'
import { newRealm, type Realm } from '../helpers/realm.js'
import { tinyPath } from '../helpers/standins.js'

type Package = typeof package_
const OUTPUTS = { dense: true, sparse: true, colbert: true }

const open: package_.Embedder[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((embedder) => embedder.dispose()))
})

async function embedderOf(realm: Realm) {
  const { Embedder } = realm.load<Package>('index')
  const embedder = await Embedder.load({ model: await tinyPath(), logger: { warn() {} } })
  open.push(embedder)
  return embedder
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

describe('in a realm of its own', () => {
  it('embeds, also from the cache, and scores', async () => {
    const realm = newRealm()
    const embedder = await embedderOf(realm)
    const [first] = await embedder.embed(['a text'], { outputs: OUTPUTS })
    const [again] = await embedder.embed(['a text'], { outputs: OUTPUTS })
    expect(embedder.stats().cache?.hits).toBeGreaterThan(0)
    expect(Array.from(again?.dense ?? [])).toEqual(Array.from(first?.dense ?? []))
    const { cosine, computeScore, topK } = realm.load<Package>('index')
    const here = Float32Array.from(first?.dense ?? [])
    for (const dense of [first?.dense as Float32Array, here]) {
      expect(cosine(dense, again?.dense as Float32Array)).toBeCloseTo(1, 6)
      expect(topK(dense, [again?.dense as Float32Array], 1)).toMatchObject([{ index: 0 }])
    }
    const documents = { a: [{ id: '1', text: 'one' }] } // of this realm
    expect((await embedder.embedDocuments(documents)).get('a')?.items).toHaveLength(1)
    expect(computeScore([[first as never, again as never]])).toBeDefined()
  })

  it('streams where timers stand still and there is nothing else of Node', async () => {
    const never = () => 0
    const still = { setTimeout: never, setInterval: never, setImmediate: never }
    const realm = newRealm({ ...still, performance: { now: never } })
    const embedder = await embedderOf(realm)
    const texts = Array.from({ length: 1200 }, (_, i) => `text ${i}`)
    expect(await all(embedder.embedStream(texts))).toHaveLength(1200)
    expect(await embedder.countTokens('a text')).toBeGreaterThan(2)
  })

  it('keeps its way where fake timers reach into node:timers', async () => {
    const realm = newRealm()
    const embedder = await embedderOf(realm)
    const timers = createRequire(import.meta.url)('node:timers')
    const before = timers.setImmediate
    timers.setImmediate = () => 0
    try {
      expect(await all(embedder.embedStream(['a', 'b']))).toHaveLength(2)
    } finally {
      timers.setImmediate = before
    }
  })

  it.each(['about:blank', 'http://localhost/', 'file:///opt/app/index.html'])(
    'finds its files beside a document at %s',
    async (baseURI) => {
      const embedder = await embedderOf(newRealm({ document: { baseURI, currentScript: null } }))
      expect((await embedder.embed('a')).dense).toHaveLength(embedder.info.dimensions)
    },
  )

  it('takes what callers of the realm have: vectors, maps, buffers', () => {
    const realm = newRealm()
    const here = createRequire(import.meta.url)(path.join(root, 'dist/index.cjs')) as Package
    const { cosine, dot, hamming, sparseFromWeights, similarityMatrix, fromFloat16 } = here
    const array = (kind: string) => realm.run<Float32Array>(`${kind}.from([1, 2, 3])`)
    for (const kind of ['Float32Array', 'Float64Array', 'Int8Array', 'Array']) {
      expect(cosine(array(kind), [1, 2, 3]), kind).toBeCloseTo(1, 6)
    }
    const halves = realm.run<Uint16Array>('Uint16Array.of(0x3c00, 0x4000)')
    expect(dot(halves, [1, 1])).toBe(3)
    expect(Array.from(fromFloat16(halves))).toEqual([1, 2])
    const bits = realm.run<Uint8Array>('Uint8Array.of(255)')
    expect([hamming(bits, bits), dot(bits, Buffer.of(255)), cosine(bits, bits)]).toEqual([0, 8, 1])
    const weights = realm.run<Map<number, number>>('new Map([[5, 0.5]])')
    expect(sparseFromWeights(weights).indices).toEqual(Uint32Array.of(5))
    const set = realm.run<never>('({ data: Float32Array.of(1, 0, 0, 1), rows: 2, cols: 2 })')
    expect(Array.from(similarityMatrix(set, set).data)).toEqual([1, 0, 0, 1])
  })
})
