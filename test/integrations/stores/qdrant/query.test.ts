import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../../lib/common/errors.js'
import type { Embedding } from '../../../../lib/common/types.js'
import { colbertScore, cosine, lexicalScore } from '../../../../lib/exports/scoring.js'
import {
  type HybridQueryOptions,
  hybridQuery,
} from '../../../../lib/integrations/stores/qdrant/query.js'
import { type QdrantHit, QdrantStore } from '../../../../lib/integrations/stores/qdrant/store.js'
import { type ContractServer, startContractServer } from '../../../helpers/qdrant-contract.js'
import { ALL, embedding, MODEL, stored } from './samples.js'

const POINTS = 120
const passages = Array.from({ length: POINTS }, (_, i) => embedding(i))

let server: ContractServer
let store: QdrantStore
beforeAll(async () => {
  server = await startContractServer()
  store = await QdrantStore.open(MODEL, { url: server.url, collection: 'docs', outputs: ALL })
  await store.prepare()
  await store.write(
    passages.map((made, i) =>
      stored(`p${i}`, i, { embedding: made, metadata: { even: i % 2 === 0, part: i % 3 } }),
    ),
  )
})
afterAll(async () => {
  expect(server.violations).toEqual([])
  await server.close()
})

type Query = Pick<Embedding, 'dense' | 'sparse' | 'colbert'>
const all = (seed: number): Query => embedding(1000 + seed, { weights: 8 })
const only = (seed: number, ...outputs: (keyof Query)[]): Query =>
  Object.fromEntries(outputs.map((output) => [output, all(seed)[output]]))

interface Ranked {
  i: number
  score: number
}

/** The ranking by the package's own scores. */
function ranking(
  score: (passage: Embedding) => number,
  candidates = [...passages.keys()],
): Ranked[] {
  return candidates
    .map((i) => ({ i, score: score(passages[i] as Embedding) }))
    .sort((a, b) => b.score - a.score)
}

const byDense = ({ dense }: Query) =>
  ranking((p) => cosine(dense as Float32Array, p.dense as Float32Array))
const bySparse = ({ sparse }: Query) =>
  ranking((p) => lexicalScore(sparse as never, p.sparse as never)).filter(({ score }) => score > 0)
const byColbert = ({ colbert }: Query, candidates?: number[]) =>
  ranking((p) => colbertScore(colbert as never, p.colbert as never), candidates)

/** Reciprocal rank fusion as it is defined: places from 1, constant 60 in the paper, here k - 1. */
function fused(rankings: Ranked[][], k: number): Map<number, number> {
  const scores = new Map<number, number>()
  for (const ranked of rankings) {
    ranked.forEach(({ i }, place) => {
      scores.set(i, (scores.get(i) ?? 0) + 1 / (k + place))
    })
  }
  return scores
}

const idsOf = (hits: QdrantHit[]) => hits.map(({ id }) => Number(id.slice(1)))

/** In order, where scores are as good as equal in any. */
function expectRanking(hits: QdrantHit[], expected: Map<number, number>, limit: number): void {
  const best = [...expected.values()].sort((a, b) => b - a)
  expect(hits).toHaveLength(Math.min(limit, best.length))
  hits.forEach(({ id, score }, place) => {
    expect(score).toBeCloseTo(best[place] as number, 5)
    expect(score).toBeCloseTo(expected.get(Number(id.slice(1))) as number, 5)
  })
}

const scoresOf = (ranked: Ranked[], factor = 1) =>
  new Map(ranked.map(({ i, score }) => [i, score * factor]))

describe('a search finds what lib/scoring ranks first', () => {
  it.each([1, 2, 3])('dense alone (%i)', async (seed) => {
    const query = only(seed, 'dense')
    const hits = await store.search(query, { limit: 20 })
    expectRanking(hits, scoresOf(byDense(query)), 20)
    expect(hits[0]).toMatchObject({
      text: `text ${byDense(query)[0]?.i}`,
      metadata: { part: (byDense(query)[0]?.i ?? 0) % 3 },
    })
  })

  it.each([1, 2, 3])('sparse alone (%i)', async (seed) => {
    const query = only(seed, 'sparse')
    expectRanking(await store.search(query, { limit: 30 }), scoresOf(bySparse(query)), 30)
  })

  it.each([1, 2, 3])('multi-vectors alone (%i)', async (seed) => {
    const query = only(seed, 'colbert')
    const rows = query.colbert?.rows ?? 0
    expectRanking(await store.search(query), scoresOf(byColbert(query), rows), 10)
  })

  it.each([1, 2, 3])('dense, reranked (%i)', async (seed) => {
    const query = only(seed, 'dense', 'colbert')
    const hits = await store.search(query, { limit: 8, candidates: 25 })
    const candidates = byDense(query)
      .slice(0, 25)
      .map(({ i }) => i)
    expectRanking(hits, scoresOf(byColbert(query, candidates), query.colbert?.rows), 8)
  })

  it.each([
    [1, undefined],
    [2, undefined],
    [3, 61],
    [4, 1],
  ])('dense and sparse, fused (%i, k %s)', async (seed, rrfK) => {
    const query = only(seed, 'dense', 'sparse')
    const hits = await store.search(query, { limit: 15, candidates: 40, rrfK })
    const rankings = [byDense(query).slice(0, 40), bySparse(query).slice(0, 40)]
    expectRanking(hits, fused(rankings, rrfK ?? 2), 15)
  })

  it.each([1, 2, 3, 4, 5])('all three: fused, then reranked (%i)', async (seed) => {
    const query = all(seed)
    const candidates = 30
    const hits = await store.search(query, { limit: 10, candidates })
    const rankings = [byDense(query).slice(0, candidates), bySparse(query).slice(0, candidates)]
    const both = [...fused(rankings, 2)].sort((a, b) => b[1] - a[1])
    // candidates that are as good as the last one may be in or out
    const least = both[candidates - 1]?.[1] ?? 0
    const sure = both.filter(([, score]) => score > least + 1e-9).map(([i]) => i)
    const maybe = both.filter(([, score]) => score >= least - 1e-9).map(([i]) => i)
    const found = idsOf(hits)
    for (const i of found) expect(maybe).toContain(i)
    const best = byColbert(query, [...new Set([...sure, ...found])])
    expectRanking(hits, scoresOf(best, query.colbert?.rows), 10)
  })

  it('all three, without a rerank', async () => {
    const query = all(6)
    const hits = await store.search(query, { candidates: 40, rerank: false })
    expectRanking(hits, fused([byDense(query).slice(0, 40), bySparse(query).slice(0, 40)], 2), 10)
  })

  it('with as many candidates as there are points: what ColBERT ranks first', async () => {
    const query = all(7)
    const hits = await store.search(query, { candidates: POINTS })
    const found = [...new Set([...byDense(query), ...bySparse(query)].map(({ i }) => i))]
    expectRanking(hits, scoresOf(byColbert(query, found), query.colbert?.rows), 10)
  })
})

describe('a search', () => {
  it('keeps to a filter in every stage', async () => {
    const filter = { must: [{ key: 'metadata.even', match: { value: true } }] }
    for (const query of [all(1), only(1, 'dense'), only(1, 'sparse'), only(1, 'dense', 'sparse')]) {
      const hits = await store.search(query, { filter, candidates: 20, params: { exact: true } })
      expect(hits).toHaveLength(10)
      for (const { metadata } of hits) expect(metadata?.even).toBe(true)
    }
  })

  it('leaves out what scores too low', async () => {
    const query = only(1, 'dense')
    const scores = (await store.search(query)).map(({ score }) => score)
    const hits = await store.search(query, { scoreThreshold: scores[4] as number })
    expect(hits).toHaveLength(5)
  })

  it('finds nothing for a query without tokens where there are only weights', async () => {
    const none = { sparse: { indices: new Uint32Array(), values: new Float32Array() } }
    expect(await store.search(none)).toEqual([])
    const query = { ...all(1), ...none }
    expect(await store.search(query)).toHaveLength(10)
  })

  it('finds points that others made by the ids they have', async () => {
    const points = [{ id: 7, vector: { dense: embedding(77).dense } }]
    const body = JSON.stringify(points, (_, value) =>
      value instanceof Float32Array ? [...value] : value,
    )
    await fetch(`${server.url}/collections/docs/points`, {
      method: 'PUT',
      body: `{"points":${body}}`,
    })
    const [hit] = await store.search({ dense: embedding(77).dense as Float32Array }, { limit: 1 })
    expect(hit).toMatchObject({ id: '7', point: 7, text: undefined, metadata: undefined })
    server.collections.get('docs')?.points.delete(7)
  })
})

describe('hybridQuery', () => {
  it.each<[HybridQueryOptions, RegExp]>([
    [{ limit: 0 }, /limit/],
    [{ limit: 5, candidates: 4 }, /candidates/],
    [{ rrfK: 0 }, /rrfK/],
    [{ limit: 1.5 }, /limit/],
  ])('refuses %o', (options, message) => {
    expect(() => hybridQuery(all(1), options)).toThrow(message)
  })

  it('refuses a query that can find nothing, or not be reranked', () => {
    expect(() => hybridQuery({})).toThrow(InvalidInputError)
    expect(() => hybridQuery(only(1, 'dense'), { rerank: true })).toThrow(/colbert/)
  })

  it('asks for as many candidates as hits at least', () => {
    expect(hybridQuery(all(1), { limit: 500 })).toMatchObject({
      limit: 500,
      prefetch: { limit: 500 },
    })
  })

  it('takes other names', () => {
    const names = { dense: 'd', sparse: 's', colbert: 'c' }
    const query = hybridQuery(all(1), { names })
    expect(query).toMatchObject({
      using: 'c',
      prefetch: { prefetch: [{ using: 'd' }, { using: 's' }], query: { fusion: 'rrf' } },
    })
  })

  it('is valid whatever outputs there are, and asks for what it should', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(['dense', 'sparse', 'colbert'] as const, { minLength: 1 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat({ max: 50 }),
        fc.boolean(),
        async (outputs, limit, seed, rerank) => {
          const query = only(seed, ...outputs)
          if (outputs.length === 1 && outputs[0] === 'colbert' && !rerank) return
          const hits = await store.search(query, {
            limit,
            candidates: 50,
            rerank: rerank && outputs.includes('colbert'),
          })
          expect(hits.length).toBeLessThanOrEqual(limit)
          const scores = hits.map(({ score }) => score)
          expect(scores).toEqual([...scores].sort((a, b) => b - a))
        },
      ),
      { numRuns: 40 },
    )
  })
})
