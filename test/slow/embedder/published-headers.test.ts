/**
 * A published bge-m3 GGUF with the official heads beside it, as `bge-m3 model pull` leaves them: all three
 * outputs and the tokenizer work whatever converter wrote the header, with token types and without.
 */
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder, type Embedding } from '../../../lib/index.js'
import { GgufFile } from '../../../lib/model/formats/gguf/reader.js'
import { type HeaderEdits, rewriteHeader } from '../../../lib/model/formats/gguf/rewrite.js'
import { COLBERT_FILE, SPARSE_FILE } from '../../../lib/model/heads.js'
import { root } from '../../helpers/child.js'
import { cosine64 } from '../../helpers/reference.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'

const HEADS = join(root, 'test/fixtures/heads')
const HEADERS = join(root, 'test/fixtures/headers')

interface Fixture extends HeaderEdits {
  name: string
}

const fixtures = readdirSync(HEADERS).map(
  (name) => JSON.parse(readFileSync(join(HEADERS, name), 'utf8')) as Fixture,
)
/** These change weights: rows that were added, or positions of another type. */
const changesWeights = ({ dropTensors, tensorTypes }: Fixture) =>
  (dropTensors ?? []).length > 0 || Object.keys(tensorTypes ?? {}).length > 0

const TEXTS = ['', 'a', 'ﾊﾞｰﾄﾞ half-width kana', ...mixedTexts(4).map((text) => text.slice(0, 200))]
const outputs = { dense: true, sparse: true, colbert: true }

let directory: string
let small: string
let expected: Omit<Embedding, 'timings'>[]
let expectedIds: number[][]

interface Loaded {
  embeddings: Omit<Embedding, 'timings'>[]
  ids: number[][]
  info: Embedder['info']
}

async function embedAll(options: { model: string; heads?: string }): Promise<Loaded> {
  const m3 = await Embedder.load(options)
  try {
    const ids: number[][] = []
    for (const text of TEXTS) ids.push([...(await m3.tokenize(text)).ids])
    const embeddings = (await m3.embed(TEXTS, { outputs })).map(({ timings: _, ...rest }) => rest)
    return { embeddings, ids, info: m3.info }
  } finally {
    await m3.dispose()
  }
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bge-m3-published-'))
  small = await standinPath({ size: 'small' })
  const loaded = await embedAll({ model: small, heads: HEADS })
  expected = loaded.embeddings
  expectedIds = loaded.ids
})

afterAll(() => rm(directory, { recursive: true, force: true }))

/** A directory as a download leaves it. */
async function published(name: string, edits: HeaderEdits): Promise<string> {
  const folder = join(directory, name)
  await mkdir(folder)
  await rewriteHeader(small, join(folder, 'bge-m3-q8_0.gguf'), edits)
  for (const file of [SPARSE_FILE, COLBERT_FILE])
    copyFileSync(join(HEADS, file), join(folder, file))
  return folder
}

describe('published headers', () => {
  it('cover files with and without token types', () => {
    const without = fixtures.filter(({ dropTensors }) =>
      dropTensors?.includes('token_types.weight'),
    )
    expect(without.length).toBeGreaterThan(0)
    expect(fixtures.length - without.length).toBeGreaterThan(5)
  })

  it.each(fixtures)('$name: all three outputs, the heads found beside it', async (fixture) => {
    const folder = await published(fixture.name, fixture)
    const { embeddings, ids, info } = await embedAll({ model: folder })
    expect(info).toMatchObject({ architecture: 'bert', dimensions: 1024, maxTokens: 8192 })
    expect(info.outputs).toEqual(outputs)
    expect(info.heads).toEqual([join(folder, SPARSE_FILE), join(folder, COLBERT_FILE)])
    expect(info.standin).toBe(false)
    expect(ids).toEqual(expectedIds)
    if (!changesWeights(fixture)) {
      expect(embeddings).toEqual(expected)
    } else {
      for (const [i, { dense, sparse, colbert }] of embeddings.entries()) {
        const before = expected[i]?.dense as Float32Array
        expect(cosine64(dense as Float32Array, before)).toBeGreaterThan(0.5)
        expect(colbert?.rows).toBe((expectedIds[i] as number[]).length - 1)
        expect(sparse?.indices.length).toBe(sparse?.values.length)
      }
    }
    await rm(folder, { recursive: true })
  })

  it('a file without token types gives other vectors than one with them', async () => {
    const none = fixtures.find(({ dropTensors }) => dropTensors?.includes('token_types.weight'))
    const folder = await published('none', none as Fixture)
    const file = await GgufFile.open(join(folder, 'bge-m3-q8_0.gguf'))
    expect(file.tensors.has('token_types.weight')).toBe(false)
    await file.close()
    const { embeddings } = await embedAll({ model: folder })
    expect(embeddings[3]?.dense).not.toEqual(expected[3]?.dense)
  })
})

describe('a stand-in', () => {
  it('is never picked by itself, wherever it lies', async () => {
    const cacheDir = join(directory, 'cache')
    await mkdir(join(cacheDir, 'models', 'standin'), { recursive: true })
    await mkdir(join(cacheDir, 'models', 'bge-m3'))
    const tiny = await standinPath({ size: 'tiny' })
    copyFileSync(tiny, join(cacheDir, 'models', 'standin', 'standin.gguf'))
    copyFileSync(tiny, join(cacheDir, 'models', 'bge-m3', 'standin.gguf'))
    const named = process.env.BGE_M3_MODEL
    delete process.env.BGE_M3_MODEL
    try {
      const loading = Embedder.load({ cacheDir })
      await expect(loading).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
      await expect(Embedder.load({ cacheDir })).rejects.toThrow(/bge-m3 model pull/)
    } finally {
      if (named !== undefined) process.env.BGE_M3_MODEL = named
    }
  })
})
