import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/index.js'
import { GgufFile } from '../../../../lib/model/formats/gguf/reader.js'
import { type HeaderEdits, rewriteHeader } from '../../../../lib/model/formats/gguf/rewrite.js'
import { inspectModel } from '../../../../lib/model/inspect.js'
import { standinPath } from '../../../helpers/standins.js'
import { mixedTexts } from '../../../helpers/texts.js'
import { inTemporaryDirectory } from '../../../model/formats/gguf/files.js'

const DIRECTORY = join(import.meta.dirname, '../../../fixtures/headers')

interface HeaderFixture extends HeaderEdits {
  name: string
  /** Where this set of keys is known from. */
  source: string
}

const fixtures = readdirSync(DIRECTORY).map(
  (name) => JSON.parse(readFileSync(join(DIRECTORY, name), 'utf8')) as HeaderFixture,
)

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? Number.NaN), 0)
}

/** Least cosine with the unchanged model, of fixtures that change weights; of the rest: same bits. */
const CLOSENESS = new Map([
  // The row that is missing was added to all tokens alike.
  ['no-token-types', 0.8],
  ['position-q8_0', 0.99],
  ['position-f16', 0.99],
])

let small: string
let expected: Float32Array[]

beforeAll(async () => {
  small = await standinPath({ size: 'small' })
  expected = await denseOf(small)
})

async function denseOf(model: string): Promise<Float32Array[]> {
  const m3 = await Embedder.load({ model })
  try {
    const embeddings = await m3.embed(mixedTexts(4))
    return embeddings.map(({ dense }) => dense as Float32Array)
  } finally {
    await m3.dispose()
  }
}

describe('bge-m3 files as several converters write them', () => {
  it.each(fixtures)('load and embed as before: $name', (fixture) =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'rewritten.gguf')
      await rewriteHeader(small, path, fixture)

      const file = await GgufFile.open(path)
      const keys = (fixture.keys ?? []).map((key) => (typeof key === 'string' ? key : key.key))
      expect([...file.keys.keys()]).toEqual(keys)
      await file.close()
      expect(await inspectModel(path)).toMatchObject({
        arch: 'bert',
        layers: 2,
        dim: 1024,
        contextLength: 8192,
        vocabSize: 250_002,
        pooling: 'cls',
        fileType: 'Q8_0',
        heads: { sparse: false, colbert: false },
        standin: false,
      })

      const dense = await denseOf(path)
      const closeness = CLOSENESS.get(fixture.name)
      for (const [i, vector] of dense.entries()) {
        const before = expected[i] as Float32Array
        if (closeness === undefined) expect(vector).toEqual(before)
        else expect(cosine(vector, before)).toBeGreaterThan(closeness)
      }
      await rm(path)
    }),
  )
})
