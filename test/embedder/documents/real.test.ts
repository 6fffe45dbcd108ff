import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunkDocument } from '../../../lib/chunking/chunk-document.js'
import { norm } from '../../../lib/exports/scoring.js'
import {
  type Chunk,
  DisposedError,
  Embedder,
  type EmbedderError,
  ModelLoadError,
} from '../../../lib/index.js'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { until } from '../../helpers/until.js'

let m3: Embedder

beforeAll(async () => {
  m3 = await Embedder.load({ model: await tinyPath(), cache: false })
})

afterAll(() => m3.dispose())

const outputs = { dense: true, sparse: true, colbert: true }

describe('on a model', () => {
  it('gives the same bits by stream, chunks, documents and embed', async () => {
    const texts = mixedTexts(16)
    const alone = await m3.embed(texts, { outputs })
    const streamed = []
    for await (const item of m3.embedStream(texts, { outputs })) streamed.push(item)
    const { items } = await m3.embedChunks(texts, { outputs })
    const documents = await m3.embedDocuments({ all: texts }, { outputs })
    for (const [i, { dense, sparse, colbert, tokenCount }] of alone.entries()) {
      for (const item of [streamed[i], items[i], documents.get('all')?.items[i]]) {
        expect(item?.id).toBe(String(i))
        expect(item?.embedding).toMatchObject({ tokenCount, truncated: false, cached: false })
        expect(item?.embedding.dense).toEqual(dense)
        expect(item?.embedding.sparse).toEqual(sparse)
        expect(item?.embedding.colbert).toEqual(colbert)
        expect(item?.norm).toBeCloseTo(1, 6)
        expect(item?.qualityScore).toBe(1)
        expect(item?.model).toBe(m3.info.fingerprint)
        expect(item?.timings.computeMs).toBeGreaterThan(0)
      }
    }
  })

  it.each(['float16', 'int8', 'binary'] as const)(
    'knows norm and score of %s',
    async (precision) => {
      const { items, quality } = await m3.embedChunks(mixedTexts(8), { precision })
      for (const { embedding, norm: length, qualityScore } of items) {
        expect(length).toBe(norm(embedding.dense as never))
        expect(qualityScore).toBeGreaterThan(0.9)
      }
      expect(quality?.vectors).toBe(8)
      const raw = await m3.embedChunks(['text'], { normalize: false })
      expect(raw.items[0]?.qualityScore).toBe(1)
    },
  )

  it('embeds what chunkDocument cut, and a bad chunk costs only itself', async () => {
    const text = mixedTexts(16).join('\n\n')
    const chunks: Chunk[] = await chunkDocument('guide', text, { maxTokens: 120, tokenizer: m3 })
    const damaged = [...chunks]
    damaged[2] = { ...(chunks[2] as Chunk), text: 'half a pair \ud800' }
    const results = await m3.embedDocuments({ guide: chunks, damaged })
    expect(results.get('guide')?.failures).toEqual([])
    expect(results.get('damaged')?.failures).toMatchObject([{ id: 'guide#2', index: 2 }])
    expect(results.get('damaged')?.items).toHaveLength(chunks.length - 1)
    expect(results.get('guide')?.items[0]?.metadata).toMatchObject({ document: 'guide', start: 0 })
  })

  it('embeds 10,000 chunks with repeats and bad ones, each accounted for', async () => {
    const texts = mixedTexts(500).map((text) => text.slice(0, 16))
    const chunks = Array.from({ length: 10_000 }, (_, i) => ({
      id: `c${i}`,
      text: i % 100 === 99 ? (i as never as string) : `${texts[i % 500]} ${i % 2000}`,
    }))
    let at = 0
    let failed = 0
    for await (const item of m3.embedStream(chunks, { onError: 'collect' })) {
      expect(item.id).toBe(`c${at}`)
      if ('error' in item) {
        failed++
        expect(item.index).toBe(at)
        expect((item.error as EmbedderError).index).toBe(at)
      }
      at++
    }
    expect([at, failed]).toEqual([10_000, 100])
  })

  it('stops the engine when the consumer leaves', async () => {
    const before = m3.stats().texts
    for await (const _ of m3.embedStream(mixedTexts(400))) break
    await until(() => m3.stats().pending === 0)
    expect(m3.stats().texts - before).toBeLessThan(400)
  })
  it('counts batches, tokens and time of a call', async () => {
    const texts = mixedTexts(60)
    const { items, stats, batches } = await m3.embedChunks(texts)
    const tokens = items.reduce((sum, { embedding }) => sum + embedding.tokenCount, 0)
    expect(stats).toMatchObject({ texts: 60, tokens, failures: 0, cached: 0, cacheHitRate: 0 })
    expect(batches.reduce((sum, batch) => sum + batch.texts, 0)).toBe(60)
    expect(batches.reduce((sum, batch) => sum + batch.tokens, 0)).toBe(tokens)
    const computeMs = batches.reduce((sum, batch) => sum + batch.computeMs, 0)
    expect(stats.stages.computeMs).toBeCloseTo(computeMs, 6)
    expect(stats.stages.computeMs / 1000).toBeLessThan(stats.seconds)
    const documents = await m3.embedDocuments({ a: texts.slice(0, 20), b: texts.slice(20) })
    const parts = [...documents.values()].map(({ batches: own }) =>
      own.reduce((sum, batch) => sum + batch.texts, 0),
    )
    expect(parts).toEqual([20, 40])
  })

  it('takes repeats from the cache, and says so', async () => {
    const cached = await Embedder.load({ model: await tinyPath() })
    const texts = mixedTexts(20)
    const first = await cached.embedChunks(texts)
    expect(first.stats.cacheHitRate).toBe(0)
    const { stats, batches, items } = await cached.embedChunks([...texts, 'new'])
    expect(stats).toMatchObject({ cached: 20, cacheHitRate: 20 / 21 })
    expect(batches.reduce((sum, batch) => sum + batch.texts, 0)).toBe(1)
    expect(items[3]?.embedding.dense).toEqual(first.items[3]?.embedding.dense)
    expect(items[3]?.timings.computeMs).toBe(0)
    await cached.dispose()
  })

  it('ends with DisposedError when the embedder does, and closes the source', async () => {
    const other = await Embedder.load({ model: await tinyPath() })
    let closed = false
    async function* source() {
      try {
        for (let i = 0; ; i++) yield `text ${i}`
      } finally {
        closed = true
      }
    }
    const stream = other.embedStream(source(), { onError: 'collect' })
    await stream.next()
    await other.dispose()
    const rest = (async () => {
      for await (const _ of stream);
    })()
    await expect(rest).rejects.toBeInstanceOf(DisposedError)
    expect(closed).toBe(true)
    expect(() => other.embedStream(['a'])).toThrow(DisposedError)
  })

  it('ends with what keeps the model from being loaded', async () => {
    const broken = await Embedder.load({ model: import.meta.filename, lazy: true })
    await expect(broken.embedStream(['a']).next()).rejects.toBeInstanceOf(ModelLoadError)
    await expect(broken.embedChunks(['a'])).rejects.toBeInstanceOf(ModelLoadError)
    await broken.dispose()
  })

  it('names the model of each item when it is swapped on the way', async () => {
    const changing = await Embedder.load({
      model: await tinyPath(),
      cache: false,
    })
    const first = changing.info.fingerprint
    const models: string[] = []
    let swap: Promise<void> | undefined
    for await (const { model } of changing.embedStream(mixedTexts(300), { maxInFlight: 32 })) {
      models.push(model)
      if (models.length === 20) {
        swap = standinPath({ size: 'tiny', seed: 2 }).then((path) =>
          changing.swapModel({ model: path }),
        )
        await swap
      }
    }
    const second = changing.info.fingerprint
    expect(second).not.toBe(first)
    expect(models[0]).toBe(first)
    expect(models.at(-1)).toBe(second)
    const alone = await changing.embed(mixedTexts(300).slice(-1))
    expect(alone).toHaveLength(1)
    await changing.dispose()
  })
})
