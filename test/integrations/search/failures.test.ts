/** A model that fails, a fallback that steps in, and a damaged file. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { EmbedderError, InferenceError, StoreError } from '../../../lib/common/errors.js'
import type { StreamItem } from '../../../lib/embedder/documents/stream.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
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

const texts = mixedTexts(40)

/** The embedder, but for what `change` makes of what its streams give. */
function changed(change: (item: StreamItem, index: number, text: string) => StreamItem): Embedder {
  return {
    info: m3.info,
    countTokens: m3.countTokens.bind(m3),
    embed: m3.embed.bind(m3),
    async *embedStream(source: Iterable<string>, options: object) {
      let index = 0
      const given: string[] = []
      async function* remembered() {
        for await (const text of source) {
          given.push(text)
          yield text
        }
      }
      for await (const item of m3.embedStream(remembered(), { ...options, onError: 'collect' })) {
        yield change(item as StreamItem, index, given[index] as string)
        index++
      }
    },
  } as unknown as Embedder
}

describe('a text that cannot be embedded', () => {
  it('costs the files that have it, until it can', async () => {
    await work.put('0.txt', texts[0] as string)
    await work.put('1.txt', texts[1] as string)
    await work.put('copy.txt', texts[1] as string)
    await work.put('2.txt', texts[2] as string)
    // files are read side by side: which text comes second is chance
    const broken = changed((item, index, text) =>
      text.startsWith((texts[1] as string).slice(0, 40))
        ? { id: '1', index, error: new InferenceError('It failed.') }
        : item,
    )
    const index = await work.index(broken)
    const result = await index.update(work.docs)
    expect(result).toMatchObject({ files: { new: 2, failed: 2 }, chunks: { embedded: 2 } })
    expect(result.failures.map(({ path, error }) => [path, error.code])).toEqual([
      [work.path('1.txt'), 'INFERENCE'],
      [work.path('copy.txt'), 'INFERENCE'],
    ])
    expect(await (await work.index(m3)).update(work.docs)).toMatchObject({
      files: { new: 2, unchanged: 2 },
      chunks: { embedded: 1, reused: 1 },
    })
  })

  it('of a long file keeps the old one, and what was embedded of the new one for the next run', async () => {
    await work.put('long.txt', 'The old text.')
    const index = await work.index(m3, { chunking: { maxTokens: 100, overlap: 0 } })
    await index.update(work.docs)
    await work.put('long.txt', texts.join('\n\n'))
    const broken = await work.index(
      changed((item, index) =>
        index === 3 || index === 7 ? { id: '', index, error: new InferenceError('Failed.') } : item,
      ),
    )
    const result = await broken.update(work.docs)
    expect(result.files).toMatchObject({ failed: 1, changed: 0, removed: 0 })
    expect(result.failures).toHaveLength(1)
    expect((await index.search('text')).map(({ text }) => text)).toEqual(['The old text.'])
    expect(await index.update(work.docs)).toMatchObject({ files: { changed: 1, failed: 0 } })
  })

  it('is one that a fallback embedded, too', async () => {
    await work.put('0.txt', texts[0] as string)
    const index = await work.index(changed((item) => ({ ...item, model: 'fallback' }) as never))
    const { failures } = await index.update(work.docs)
    expect(failures[0]?.error.message).toMatch(/fallback/)
    expect(await index.stats()).toMatchObject({ files: 0, vectors: 0 })
    const lenient = {
      info: m3.info,
      embed: async () => [{ ...(await m3.embed('x')), fallback: 'other' }],
      embedStream: m3.embedStream.bind(m3),
      countTokens: m3.countTokens.bind(m3),
    } as unknown as Embedder
    await expect((await work.index(lenient)).search('x')).rejects.toThrow(/fallback/)
  })
})

describe('a damaged index', () => {
  it('is a StoreError, whatever is asked of it', async () => {
    for (let i = 0; i < 40; i++) await work.put(`${i}.txt`, texts[i] as string)
    const first = await work.index(m3)
    await first.update(work.docs)
    await first.close()
    const file = await open(join(work.store, 'index.db'), 'r+')
    const { size } = await file.stat()
    for (let at = 16_384; at < size; at += 16_384) {
      await file.write(Buffer.alloc(200, 0xee), 0, 200, at)
    }
    await file.close()
    const errors: unknown[] = []
    for (const attempt of [
      async () => (await work.index(m3)).search('x'),
      async () => (await work.index(m3)).update(work.docs),
      async () => (await work.index(m3)).stats(),
      async () => (await work.index(m3)).forget(work.docs),
    ]) {
      await attempt().catch((error) => errors.push(error))
    }
    expect(errors.length).toBeGreaterThan(0)
    for (const error of errors) {
      expect(error).toBeInstanceOf(EmbedderError)
      expect(error).toBeInstanceOf(StoreError)
      expect((error as Error).message).toMatch(/damaged.*delete it/)
    }
  })
})
