/** What is found, against brute force over the same vectors, on real text. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Embedding } from '../../../lib/common/types.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { computeScore, lexicalScore, topK } from '../../../lib/exports/scoring.js'
import type { SearchIndex } from '../../../lib/exports/search.js'
import { standinPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'
import { Workspace } from './helpers.js'

const outputs = { dense: true, sparse: true, colbert: true }
const languages = (['en', 'de', 'zh', 'ar'] as const).flatMap((language) =>
  paragraphs(language).slice(0, 80),
)
const questions = languages.flatMap(({ questions }) => questions.slice(0, 1))
const queries = questions.filter((_, i) => i % 16 === 0)

let m3: Embedder
let work: Workspace
let index: SearchIndex
/** Every chunk of the index, and its vectors as `embed` gives them. */
let chunks: { id: string; text: string; embedding: Embedding }[]

beforeAll(async () => {
  m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
  work = await Workspace.make()
  // several paragraphs to a file, so that the chunks are not the files
  for (let i = 0; i < languages.length; i += 4) {
    const group = languages.slice(i, i + 4).map(({ text }) => text)
    await work.put(`${String(i).padStart(4, '0')}.txt`, group.join('\n\n'))
  }
  index = await work.index(m3, { chunking: { maxTokens: 200, overlap: 20 } })
  await index.update(work.docs)
  const all = await index.search('everything', { limit: 1000, mode: 'dense' })
  const { vectors } = await index.stats()
  expect(all.length).toBeGreaterThan(300)
  expect(new Set(all.map(({ text }) => text)).size).toBe(vectors)
  const embeddings = await m3.embed(
    all.map(({ text }) => text as string),
    { outputs },
  )
  chunks = all.map(({ id, text }, i) => ({
    id,
    text: text as string,
    embedding: embeddings[i] as Embedding,
  }))
})
afterAll(async () => {
  await work.remove()
  await m3.dispose()
})

/** Against every chunk's score. Equal scores are in any order, so scores are compared, and whose they are. */
async function compare(
  options: Parameters<SearchIndex['search']>[1],
  score: (query: Embedding, passage: Embedding) => number | undefined,
) {
  for (const query of queries) {
    const [embedded] = await m3.embed([query], { outputs })
    const all = new Map(
      chunks.map(({ id, embedding }) => [id, score(embedded as Embedding, embedding)]),
    )
    const hits = await index.search(query, { limit: 10, ...options })
    const best = [...all.values()].filter((value) => value !== undefined)
    best.sort((a, b) => b - a)
    expect(hits).toHaveLength(Math.min(10, best.length))
    for (const [i, hit] of hits.entries()) {
      // FlagEmbedding's dense score is the inner product, of vectors whose length is 1 but for rounding
      expect(Math.abs(hit.score - (best[i] as number))).toBeLessThan(1e-6)
      expect(Math.abs(hit.score - (all.get(hit.id) as number))).toBeLessThan(1e-6)
    }
  }
}

describe('search', () => {
  it('has enough to rank', () => {
    expect(queries.length).toBeGreaterThan(15)
    expect(chunks.length).toBeGreaterThan(300)
  })

  it('by dense vectors is topK of bge-m3-node/scoring, bit for bit', async () => {
    const vectors = chunks.map(({ embedding }) => embedding.dense as Float32Array)
    for (const query of queries) {
      const { dense } = await m3.embed(query)
      const hits = await index.search(query, { limit: 10, mode: 'dense' })
      const exact = topK(dense as Float32Array, vectors, 10)
      expect(hits.map(({ text }) => text)).toEqual(exact.map((hit) => chunks[hit.index]?.text))
      expect(hits.map(({ score }) => score)).toEqual(exact.map(({ score }) => score))
      expect(hits.map(({ scores }) => scores.dense)).toEqual(exact.map(({ score }) => score))
    }
  })

  it('by lexical weights is lexicalScore', async () => {
    let found = 0
    await compare({ mode: 'sparse' }, (query, passage) => {
      const score = lexicalScore(query.sparse as never, passage.sparse as never)
      if (score > 0) found++
      return score > 0 ? score : undefined
    })
    expect(found).toBeGreaterThan(100)
  })

  it('in hybrid mode is computeScore’s sparse+dense, weights and all', async () => {
    for (const weights of [undefined, [0.4, 0.2, 0.4], [0, 1, 0]] as const) {
      await compare(weights ? { weights } : {}, (query, passage) => {
        const scores = computeScore(query, passage, weights && { weights })
        return scores['sparse+dense'] as number
      })
    }
  })

  it('reranked is computeScore’s colbert+sparse+dense of the best', async () => {
    for (const query of queries.slice(0, 8)) {
      const [embedded] = await m3.embed([query], { outputs })
      const plain = await index.search(query, { limit: 30 })
      const hits = await index.search(query, { limit: 30, rerank: 15 })
      const head = plain.slice(0, 15).map((hit) => ({
        id: hit.id,
        score: computeScore(
          embedded as Embedding,
          chunks.find(({ id }) => id === hit.id)?.embedding as Embedding,
        )['colbert+sparse+dense'] as number,
      }))
      head.sort((a, b) => b.score - a.score)
      expect(hits.slice(0, 15).map(({ id }) => id)).toEqual(head.map(({ id }) => id))
      hits.slice(0, 15).forEach((hit, i) => {
        expect(hit.score).toBeCloseTo(head[i]?.score as number, 6)
        expect(hit.scores.colbert).toBeTypeOf('number')
      })
      expect(hits.slice(15).map(({ id }) => id)).toEqual(plain.slice(15).map(({ id }) => id))
    }
  })

  it('by reciprocal ranks takes from both lists', async () => {
    for (const query of queries.slice(0, 10)) {
      const hits = await index.search(query, { limit: 10, fusion: 'rrf' })
      const dense = (await index.search(query, { limit: 70, mode: 'dense' })).map(({ id }) => id)
      const sparse = (await index.search(query, { limit: 70, mode: 'sparse' })).map(({ id }) => id)
      const rank = (list: string[], id: string) => {
        const place = list.indexOf(id)
        return place === -1 ? 0 : 1 / (61 + place)
      }
      // the first of both lists cannot lose to what is behind it in both
      if (dense[0] === sparse[0]) expect(hits[0]?.id).toBe(dense[0])
      for (const [i, hit] of hits.entries()) {
        const next = hits[i + 1]
        if (next) expect(hit.score).toBeGreaterThanOrEqual(next.score)
        expect(rank(dense, hit.id) + rank(sparse, hit.id)).toBeGreaterThan(0)
      }
    }
  })

  it('finds a chunk by its own text', async () => {
    for (const { text, id } of chunks.filter((_, i) => i % 47 === 0)) {
      for (const mode of ['dense', 'hybrid'] as const) {
        const hits = await index.search(text, { mode, limit: 3 })
        expect(hits.map((hit) => hit.id)).toContain(id)
      }
    }
  })

  it('refuses what makes no sense', async () => {
    const bad: [string, object, RegExp][] = [
      ['', {}, /not empty/],
      ['  ', {}, /not empty/],
      ['x', { limit: 0 }, /`limit`/],
      ['x', { limit: 1.5 }, /`limit`/],
      ['x', { rerank: -1 }, /`rerank`/],
      ['x', { mode: 'magic' }, /`mode`/],
      ['x', { fusion: 'cold' }, /`fusion`/],
      ['x', { weights: [0, 0, 0] }, /weights/],
    ]
    for (const [query, options, message] of bad) {
      await expect(index.search(query, options)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(message),
      })
    }
    const aborted = AbortSignal.abort(new Error('no'))
    await expect(index.search('x', { signal: aborted })).rejects.toThrow('no')
  })

  it('lets other work have its turn', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 0)
    const searching = index.search(queries[0] as string)
    await searching
    clearInterval(timer)
    expect(turns).toBeGreaterThan(0)
  })
})

describe('a model without heads', () => {
  it('searches by dense vectors alone', async () => {
    const plain = await Embedder.load({
      model: await standinPath({ size: 'tiny', arch: 'minilm' }),
      cache: false,
    })
    const other = await Workspace.make()
    try {
      if (plain.info.outputs.sparse) return
      await other.put('a.txt', languages[0]?.text as string)
      const index = await other.index(plain)
      await index.update(other.docs)
      const [hit] = await index.search('a query')
      expect(hit?.scores.sparse).toBeUndefined()
      expect(hit?.score).toBe(hit?.scores.dense)
      await expect(index.search('x', { mode: 'sparse' })).rejects.toThrow(/without a sparse head/)
      await expect(index.search('x', { rerank: true })).rejects.toThrow(/ColBERT head/)
    } finally {
      await other.remove()
      await plain.dispose()
    }
  })
})
