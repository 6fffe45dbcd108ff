/** An index over real files: what is embedded, kept, found again and removed. */
import { link, mkdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { StoreError } from '../../../lib/common/errors.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { openIndex, type UpdateProgress } from '../../../lib/exports/search.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts, paragraphs } from '../../helpers/texts.js'
import { Workspace } from './helpers.js'

let m3: Embedder
let work: Workspace
beforeAll(async () => {
  m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
})
afterAll(() => m3.dispose())
beforeEach(async () => {
  work = await Workspace.make()
})
afterEach(() => work.remove())

const texts = mixedTexts(60)
const text = (i: number) => texts[i] as string

describe('update', () => {
  it('embeds files, and the second time nothing', async () => {
    await work.put('a.txt', text(0))
    await work.put('b.md', `# Title\n\n${text(1)}`)
    await work.put('sub/README', text(2))
    const index = await work.index(m3)
    const progress: UpdateProgress[] = []
    const first = await index.update(work.docs, { onProgress: (p) => progress.push(p) })
    expect(first).toMatchObject({
      files: { new: 3, changed: 0, renamed: 0, unchanged: 0, removed: 0, skipped: 0, failed: 0 },
      chunks: { embedded: 3, reused: 0 },
      skipped: [],
      failures: [],
    })
    expect(first.tokens).toBe((await index.stats()).tokens)
    expect(progress.at(-1)).toMatchObject({
      phase: 'embed',
      files: { seen: 3, todo: 3, done: 3 },
      chunks: { embedded: 3, reused: 0 },
    })
    const { todo, done } = (progress.at(-1) as UpdateProgress).bytes
    expect(done).toBe(todo)
    expect(await index.update(work.docs)).toMatchObject({
      files: { new: 0, changed: 0, unchanged: 3, removed: 0 },
      chunks: { embedded: 0, reused: 0 },
      tokens: 0,
    })
    expect(await index.stats()).toMatchObject({ files: 3, chunks: 3, vectors: 3 })
  })

  it('embeds only what changed, by the chunk', async () => {
    const long = texts.slice(0, 30).join('\n\n')
    await work.put('long.txt', long)
    await work.put('other.txt', text(40))
    const index = await work.index(m3)
    const { chunks } = await index.update(work.docs)
    expect(chunks.embedded).toBeGreaterThan(8)
    // at its end: the chunks before it are as they were
    await work.put('long.txt', `${long}\n\nA new last paragraph.`)
    const again = await index.update(work.docs)
    expect(again.files).toMatchObject({ changed: 1, unchanged: 1, new: 0, removed: 0 })
    expect(again.chunks.embedded).toBeGreaterThan(0)
    expect(again.chunks.embedded).toBeLessThanOrEqual(2)
    expect(again.chunks.embedded + again.chunks.reused).toBe((await index.stats()).chunks - 1)
    // what nobody has any more is gone
    expect((await index.stats()).vectors).toBe((await index.stats()).chunks)
  })

  it('knows renamed, moved, copied and deleted files', async () => {
    for (let i = 0; i < 4; i++) await work.put(`${i}.txt`, text(i))
    const index = await work.index(m3)
    await index.update(work.docs)
    await rename(work.path('0.txt'), work.path('zero.txt'))
    await mkdir(work.path('sub'))
    await rename(work.path('1.txt'), work.path('sub/one.txt'))
    await work.put('copy.txt', text(2))
    await rm(work.path('3.txt'))
    expect(await index.update(work.docs)).toMatchObject({
      files: { new: 1, renamed: 2, unchanged: 1, removed: 1, changed: 0 },
      chunks: { embedded: 0, reused: 3 },
    })
    expect(await index.stats()).toMatchObject({ files: 4, chunks: 4, vectors: 3 })
    const hits = await index.search(text(2), { limit: 2 })
    expect(hits.map(({ path }) => path)).toEqual([work.path('2.txt'), work.path('copy.txt')])
    expect(hits[0]?.score).toBe(hits[1]?.score)
    const moved = await index.search(text(1), { limit: 1 })
    expect(moved[0]?.path).toBe(work.path('sub/one.txt'))
    const deleted = await index.search(text(3), { limit: 10 })
    expect(deleted.map(({ text }) => text)).not.toContain(text(3))
  })

  it('reads a file again whose time alone changed, and embeds nothing', async () => {
    await work.put('a.txt', text(0))
    const index = await work.index(m3)
    await index.update(work.docs)
    await utimes(work.path('a.txt'), 1_000_000_000, 1_000_000_000)
    expect(await index.update(work.docs)).toMatchObject({
      files: { unchanged: 1, changed: 0 },
      chunks: { embedded: 0, reused: 0 },
    })
  })

  it('sees a change of equal length that was given the old time', async () => {
    const path = await work.put('a.txt', 'The first text.')
    await utimes(path, 1_000_000_000, 1_000_000_000)
    const index = await work.index(m3)
    await index.update(work.docs)
    await writeFile(path, 'The other text.')
    await utimes(path, 1_000_000_000, 1_000_000_000)
    expect((await stat(path)).mtimeMs).toBe(1_000_000_000_000)
    expect(await index.update(work.docs)).toMatchObject({ files: { changed: 1 } })
  })

  it('embeds equal texts once, also those under way', async () => {
    for (let i = 0; i < 5; i++) await work.put(`${i}.txt`, text(7))
    const index = await work.index(m3)
    expect(await index.update(work.docs)).toMatchObject({
      files: { new: 5 },
      chunks: { embedded: 1, reused: 4 },
    })
    expect(await index.stats()).toMatchObject({ files: 5, chunks: 5, vectors: 1 })
    expect(await index.search(text(7), { limit: 3 })).toHaveLength(3)
    expect(await index.search(text(7), { limit: 30 })).toHaveLength(5)
  })

  it('touches nothing outside of its folder', async () => {
    await work.put('a/1.txt', text(1))
    await work.put('a-b/2.txt', text(2))
    await work.put('b/3.txt', text(3))
    const index = await work.index(m3)
    await index.update(work.docs)
    await rm(work.path('b'), { recursive: true })
    await rm(work.path('a-b/2.txt'))
    // its name begins like theirs
    expect(await index.update(work.path('a'))).toMatchObject({
      files: { unchanged: 1, removed: 0 },
    })
    expect((await index.stats()).files).toBe(3)
    expect(await index.update(work.docs)).toMatchObject({ files: { removed: 2 } })
  })

  it('takes one file, and forgets folders and files', async () => {
    const path = await work.put('notes.log', text(0))
    await work.put('sub/a.txt', text(1))
    const index = await work.index(m3)
    // named, it is wanted, whatever its ending is
    expect(await index.update(path)).toMatchObject({ files: { new: 1 } })
    await index.update(work.path('sub'))
    expect(await index.forget(work.path('sub'))).toBe(1)
    expect(await index.stats()).toMatchObject({ files: 1, vectors: 1 })
    expect(await index.forget(path)).toBe(1)
    expect(await index.stats()).toMatchObject({ files: 0, chunks: 0, vectors: 0, tokens: 0 })
    expect(await index.search('anything')).toEqual([])
  })

  it('removes what is left out now', async () => {
    await work.put('a.txt', text(0))
    await work.put('drafts/b.txt', text(1))
    const index = await work.index(m3)
    await index.update(work.docs)
    await work.put('.gitignore', 'drafts/\n')
    expect(await index.update(work.docs)).toMatchObject({
      files: { unchanged: 1, removed: 1, skipped: 2 },
      skippedBy: { hidden: 1, ignored: 1 },
    })
    await work.put('a.txt', Buffer.from([65, 0, 66]))
    expect(await index.update(work.docs)).toMatchObject({
      files: { removed: 1, skipped: 3 },
      skippedBy: { binary: 1 },
    })
    expect((await index.stats()).files).toBe(0)
  })

  it('ends with the signal, and goes on where it was', async () => {
    for (let i = 0; i < 60; i++) await work.put(`${i}.txt`, text(i))
    const index = await work.index(m3)
    const controller = new AbortController()
    const reason = new Error('enough')
    const cut = index.update(work.docs, {
      signal: controller.signal,
      onProgress: ({ chunks }) => chunks.embedded > 0 && controller.abort(reason),
    })
    await expect(cut).rejects.toBe(reason)
    const before = await index.stats()
    expect(before.files).toBeLessThan(60)
    const rest = await index.update(work.docs)
    expect(rest.chunks.embedded).toBe((await index.stats()).vectors - before.vectors)
    expect(await index.stats()).toMatchObject({ files: 60 })
  })

  it('does not mind a progress function that throws', async () => {
    await work.put('a.txt', text(0))
    const index = await work.index(m3)
    const onProgress = () => {
      throw new Error('broken display')
    }
    expect(await index.update(work.docs, { onProgress })).toMatchObject({ files: { new: 1 } })
  })

  it('merges what small steps leave', async () => {
    const index = await work.index(m3)
    for (let i = 0; i < 12; i++) {
      await work.put(`${i}.txt`, text(i))
      await index.update(work.docs)
    }
    const ids = new Set((await index.search(text(3), { limit: 100 })).map(({ path }) => path))
    expect(ids.size).toBe(12)
    expect(await index.stats()).toMatchObject({ files: 12, vectors: 12 })
  })
})

describe('openIndex', () => {
  it('refuses another model, and rebuilds for it', async () => {
    await work.put('a.txt', text(0))
    await (await work.index(m3)).update(work.docs)
    const other = await Embedder.load({
      model: await standinPath({ size: 'tiny', seed: 2 }),
      cache: false,
    })
    try {
      await expect(work.index(other)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(/another model .*--rebuild/),
      })
      const index = await work.index(other, { rebuild: true })
      expect(await index.stats()).toMatchObject({ files: 0, vectors: 0, model: null })
      expect(await index.update(work.docs)).toMatchObject({ chunks: { embedded: 1 } })
      expect((await index.search(text(0)))[0]?.path).toBe(work.path('a.txt'))
      await expect(work.index(m3)).rejects.toThrow(/another model/)
    } finally {
      await other.dispose()
    }
  })

  it('notices that another process rebuilt it meanwhile', async () => {
    await work.put('a.txt', text(0))
    const index = await work.index(m3)
    await index.update(work.docs)
    await (await work.index(m3, { rebuild: true, chunking: { maxTokens: 100 } })).update(work.docs)
    expect((await index.search(text(0))).length).toBeGreaterThan(0)
    expect((await index.stats()).chunking?.maxTokens).toBe(100)
  })

  it('refuses other chunks, and takes those it was made with', async () => {
    await work.put('a.txt', texts.slice(0, 4).join('\n\n'))
    const made = { maxTokens: 100, overlap: 10, language: 'en' }
    const index = await work.index(m3, { chunking: { maxTokens: 100, overlap: 10 } })
    await index.update(work.docs)
    expect((await index.stats()).chunking).toEqual(made)
    const { chunks } = await index.stats()
    await expect(work.index(m3, { chunking: { maxTokens: 200 } })).rejects.toThrow(
      /made with `maxTokens` 100, not 200.*--rebuild/,
    )
    const again = await work.index(m3)
    expect(await again.update(work.docs)).toMatchObject({ files: { unchanged: 1 } })
    expect((await again.stats()).chunks).toBe(chunks)
    await expect(
      work
        .index(m3, { rebuild: true, chunking: { maxTokens: 10_000 } })
        .then((i) => i.update(work.docs)),
    ).rejects.toThrow(/more than the model takes/)
    // wrong settings are not kept
    for (const chunking of [{ overlap: 400 }, { maxTokens: 2 }, { language: '?' }]) {
      const wrong = await work.index(m3, { rebuild: true, chunking })
      await expect(wrong.update(work.docs)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      expect((await wrong.stats()).chunking).toBeNull()
    }
  })

  it('says what is missing or wrong', async () => {
    await expect(openIndex('')).rejects.toThrow(/folder of an index must be a path/)
    await expect(openIndex(work.store, { create: false })).rejects.toThrow(/There is no index in/)
    const index = await work.index(undefined)
    await expect(index.update(work.docs)).rejects.toThrow(/without an `embedder`/)
    await expect((await work.index(m3)).search('x')).rejects.toThrow(/is empty: index files/)
    for (const path of ['', 'a\0b', 7]) {
      await expect((await work.index(m3)).update(path as string)).rejects.toThrow(/must be a path/)
    }
    await expect((await work.index(m3)).update(work.path('nothing'))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('ENOENT'),
    })
    await index.close()
    await index.close()
    await expect(index.stats()).rejects.toThrow(/closed/)
    await writeFile(join(work.folder, 'file'), '')
    await expect(openIndex(join(work.folder, 'file'))).rejects.toThrow(StoreError)
  })

  it('refuses what is no index', async () => {
    await mkdir(work.store)
    await writeFile(join(work.store, 'index.db'), 'text '.repeat(1000))
    await expect(openIndex(work.store)).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringMatching(/is no index, or is damaged/),
    })
    await rm(join(work.store, 'index.db'))
    const { default: Database } = await import('libsql')
    const other = new Database(join(work.store, 'index.db'))
    other.exec('CREATE TABLE mine (a)')
    other.close()
    await expect(openIndex(work.store)).rejects.toThrow(/no index of bge-m3-node/)
  })
})

describe('search', () => {
  it('gives the line a chunk begins on', async () => {
    const parts = paragraphs('en').slice(0, 12)
    await work.put('a.txt', parts.map((part) => part.text).join('\r\n\r\n'))
    const index = await work.index(m3, { chunking: { maxTokens: 120, overlap: 0 } })
    await index.update(work.docs)
    const hits = await index.search('anything', { limit: 100 })
    expect(hits.length).toBeGreaterThan(12)
    const lines = parts
      .map((part) => part.text)
      .join('\r\n\r\n')
      .split('\r\n')
    for (const { text, line } of hits) {
      const first = (text as string).trim().split('\r\n')[0] as string
      expect(lines[(line as number) - 1]).toContain(first)
    }
    expect(new Set(hits.map(({ id }) => id)).size).toBe(hits.length)
  })

  it('indexes a file under several names', async () => {
    await work.put('a.txt', text(0))
    await link(work.path('a.txt'), work.path('b.txt'))
    const index = await work.index(m3)
    await index.update(work.docs)
    expect((await index.search(text(0))).map(({ chunk, path }) => [chunk, path])).toEqual([
      [0, work.path('a.txt')],
      [0, work.path('b.txt')],
    ])
  })
})
