/** An index over real files: what is embedded, found, kept and removed. */
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../lib/embedder.js'
import { openIndex, type SearchIndex } from '../../lib/search/index.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'

let m3: Embedder
let folder: string
let docs: string
let store: string
const open: SearchIndex[] = []
beforeAll(async () => {
  m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
})
afterAll(() => m3.dispose())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'index-'))
  docs = join(folder, 'docs')
  store = join(folder, 'store')
  await mkdir(docs)
})
afterEach(async () => {
  for (const index of open.splice(0)) await index.close()
  await rm(folder, { recursive: true })
})

const texts = mixedTexts(40)
async function opened(options: Parameters<typeof openIndex>[1] = {}): Promise<SearchIndex> {
  const index = await openIndex(store, { embedder: m3, ...options })
  open.push(index)
  return index
}
const put = (name: string, text: string | Buffer) => writeFile(join(docs, name), text)

describe('update', () => {
  it('embeds files, and the second time nothing', async () => {
    await put('a.txt', texts[0] as string)
    await put('b.md', `# Title\n\n${texts[1]}`)
    const index = await opened()
    expect(await index.update(docs)).toMatchObject({
      files: { new: 2, unchanged: 0, removed: 0, failed: 0, skipped: 0 },
      chunks: { embedded: 2, reused: 0 },
    })
    expect(await index.update(docs)).toMatchObject({
      files: { new: 0, unchanged: 2, changed: 0 },
      chunks: { embedded: 0, reused: 0 },
      tokens: 0,
    })
    const hits = await index.search(texts[0] as string)
    expect(hits[0]).toMatchObject({ path: join(docs, 'a.txt'), line: 1, chunk: 0, text: texts[0] })
  })
})
