import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunkDocument } from '../../lib/chunking/index.js'
import {
  type EmbedCore,
  embedChunks,
  embedDocuments,
  embedStream,
} from '../../lib/documents/index.js'
import { type Chunk, Embedder, type EmbedderError } from '../../lib/index.js'
import { norm } from '../../lib/scoring/index.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'
import { coreOf } from './fake-core.js'

let m3: Embedder
let core: EmbedCore

beforeAll(async () => {
  m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
  core = coreOf(m3)
})

afterAll(() => m3.dispose())

const outputs = { dense: true, sparse: true, colbert: true }

describe('on a model', () => {
  it('gives the same bits by stream, chunks, documents and embed', async () => {
    const texts = mixedTexts(40)
    const alone = await m3.embed(texts, { outputs })
    const streamed = []
    for await (const item of embedStream(core, texts, { outputs })) streamed.push(item)
    const { items } = await embedChunks(core, texts, { outputs })
    const documents = await embedDocuments(core, { all: texts }, { outputs })
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
      const { items, quality } = await embedChunks(core, mixedTexts(8), { precision })
      for (const { embedding, norm: length, qualityScore } of items) {
        expect(length).toBe(norm(embedding.dense as never))
        expect(qualityScore).toBeGreaterThan(0.9)
      }
      expect(quality?.vectors).toBe(8)
      const raw = await embedChunks(core, ['text'], { normalize: false })
      expect(raw.items[0]?.qualityScore).toBe(1)
    },
  )

  it('embeds what chunkDocument cut, and a bad chunk costs only itself', async () => {
    const text = mixedTexts(16).join('\n\n')
    const chunks: Chunk[] = await chunkDocument('guide', text, { maxTokens: 120, tokenizer: m3 })
    const damaged = [...chunks]
    damaged[2] = { ...(chunks[2] as Chunk), text: 'half a pair \ud800' }
    const results = await embedDocuments(core, { guide: chunks, damaged })
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
    for await (const item of embedStream(core, chunks, { onError: 'collect' })) {
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
    for await (const _ of embedStream(core, mixedTexts(400))) break
    const deadline = performance.now() + 2000
    while (m3.stats().pending > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(m3.stats().pending).toBe(0)
  })
})
