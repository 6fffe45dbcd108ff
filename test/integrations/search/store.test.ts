/** The index as a store that loaders and queue workers write to. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Chunk, EmbeddedChunk } from '../../../lib/common/types.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import type { SearchIndex } from '../../../lib/exports/search.js'
import type { StoredChunk } from '../../../lib/integrations/store.js'
import { tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { Workspace } from './helpers.js'

let m3: Embedder
let work: Workspace
let index: SearchIndex
beforeAll(async () => {
  m3 = await Embedder.load({ model: await tinyPath(), cache: false })
})
afterAll(() => m3.dispose())
beforeEach(async () => {
  work = await Workspace.make()
  index = await work.index(m3)
})
afterEach(() => work.remove())

const texts = mixedTexts(30)
const outputs = { dense: true, sparse: true }

async function embedded(chunks: Chunk[]): Promise<StoredChunk[]> {
  const { items } = await m3.embedChunks(chunks, { outputs })
  return items.map((chunk, i) => ({ chunk, text: chunks[i]?.text }))
}
const chunk = (id: string, i: number, metadata?: Record<string, unknown>): Chunk => ({
  id,
  text: texts[i] as string,
  ...(metadata && { metadata }),
})

describe('store', () => {
  it('keeps what is written, beside files', async () => {
    await work.put('a.txt', texts[9] as string)
    await index.update(work.docs)
    const store = index.store()
    await store.prepare()
    const rows = await embedded([
      chunk('one', 0, { lang: 'en', nested: { a: [1] } }),
      chunk('two', 1),
    ])
    await store.write(rows)
    await store.write(rows)
    expect(await store.stored(['one', 'three', 'two'])).toEqual(new Set(['one', 'two']))
    expect(await index.stats()).toMatchObject({ chunks: 3, vectors: 3, files: 1 })
    const [hit] = await index.search(texts[0] as string)
    expect(hit).toMatchObject({
      id: 'one',
      path: null,
      line: null,
      chunk: null,
      text: texts[0],
      metadata: { lang: 'en', nested: { a: [1] } },
    })
    // files come and go, these stay
    expect(await index.update(work.docs)).toMatchObject({ files: { unchanged: 1, removed: 0 } })
    expect(await index.stats()).toMatchObject({ chunks: 3 })
    await store.close()
    await store.close()
    await expect(store.write(rows)).rejects.toMatchObject({ code: 'STORE' })
  })

  it('lets the last one win, and tidies up', async () => {
    const store = index.store()
    const [first] = await embedded([chunk('a', 0)])
    const [second] = await embedded([chunk('a', 1)])
    await store.write([first as StoredChunk])
    await store.write([second as StoredChunk])
    expect(await index.search(texts[0] as string)).toMatchObject([{ id: 'a', text: texts[1] }])
    await store.write([second, first, second, first].map((row) => row as StoredChunk))
    expect(await index.search('x')).toMatchObject([{ id: 'a', text: texts[0] }])
    await store.close()
    expect(await index.stats()).toMatchObject({ chunks: 1, vectors: 1 })
  })

  it('writes all or nothing', async () => {
    const store = index.store()
    const rows = await embedded([chunk('a', 0), chunk('b', 1)])
    const circle: Record<string, unknown> = {}
    circle.self = circle
    const bad: [Partial<EmbeddedChunk>, RegExp][] = [
      [{ model: 'another' }, /another model/],
      [{ metadata: circle }, /no JSON/],
      [{ id: 'lone \ud800' }, /lone surrogate/],
      [
        { embedding: { ...rows[1]?.chunk.embedding, dense: new Float32Array(3) } as never },
        /64 dimensions/,
      ],
      [{ embedding: { ...rows[1]?.chunk.embedding, dense: undefined } as never }, /dimensions/],
    ]
    for (const [change, message] of bad) {
      const broken = { ...rows[1], chunk: { ...rows[1]?.chunk, ...change } } as StoredChunk
      await expect(store.write([rows[0] as StoredChunk, broken])).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(message),
      })
      expect(await index.stats()).toMatchObject({ chunks: 0, vectors: 0 })
    }
    await store.write([])
    await store.write(rows)
    expect(await index.stats()).toMatchObject({ chunks: 2 })
  })

  it('takes ids and texts of every character, and rows without text', async () => {
    const store = index.store()
    const ids = ['', "'; DROP TABLE chunks; --", 'nul\0byte', 'nul\0other', '😀', 'a\nb', '\ufeffx']
    const rows = await embedded(
      ids.filter(Boolean).map((id, i) => ({ id, text: `text ${i} \0 with a NUL` })),
    )
    rows.push({ ...(rows[0] as StoredChunk), text: undefined })
    const last = rows.at(-1) as StoredChunk
    rows[rows.length - 1] = { ...last, chunk: { ...last.chunk, id: 'no text' } }
    await store.write(rows)
    expect(await store.stored(ids)).toEqual(new Set(ids.filter(Boolean)))
    const hits = await index.search('text', { limit: 20 })
    expect(hits.map(({ id }) => id).sort()).toEqual([...ids.filter(Boolean), 'no text'].sort())
    for (const { id, text } of hits) {
      const expected = rows.find((row) => row.chunk.id === id)?.text ?? null
      expect(text).toBe(expected)
    }
    const reranked = await index.search('text', { limit: 20, rerank: 20 })
    expect(reranked).toHaveLength(hits.length)
    expect(reranked.at(-1)?.id).toBe('no text')
  })

  it('needs an embedder to know what it is for', async () => {
    const plain = await work.index(undefined)
    await expect(plain.store().prepare()).rejects.toThrow(/without an `embedder`/)
  })
})
