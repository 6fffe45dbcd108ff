/** Sparse and ColBERT outputs through the official heads, against the float64 reference. */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromFloat16 } from '../../lib/common/float16.js'
import { type ColbertEmbedding, Embedder, type Embedding } from '../../lib/index.js'
import { HEAD_KEYS } from '../../lib/model/formats/gguf/own-keys.js'
import { GgufFile } from '../../lib/model/formats/gguf/reader.js'
import { readHeads } from '../../lib/model/heads.js'
import { fromInt8 } from '../../lib/outputs/precision.js'
import { root } from '../helpers/child.js'
import {
  cosine64,
  headsForReference,
  type ReferenceOutputs,
  rawHead,
  referenceOutputs,
} from '../helpers/reference.js'
import { standinPath } from '../helpers/standins.js'
import { paragraphs } from '../helpers/texts.js'
import { bytesOf } from '../model/writers/tensors.js'
import { writeTorch } from '../model/writers/torch.js'

const HEADS = join(root, 'test/fixtures/heads')
/** Of the largest weight: activations are multiplied as blocks of 8-bit numbers. */
const SPARSE_TOLERANCE = 0.025
const LEAST_ROW_COSINE = 0.998
/** `<s>`, `<pad>`, `</s>`, `<unk>`. */
const SPECIAL = [0, 1, 2, 3]

const TEXTS = [
  'What is BGE M3?',
  // the same words at many positions: what is kept must be the largest
  'bank river bank, the bank of the river: bank. River! The bank? bank bank money bank',
  // unknown characters become <unk>
  'runes \u{12000}\u{12001} and \u{1f9ff}\u{10ffff} here',
  '',
  'a',
  ...(['en', 'de', 'zh', 'ar'] as const).map((language) => paragraphs(language)[7]?.text ?? ''),
  paragraphs('ar')[3]?.text ?? '',
]

let m3: Embedder
let directory: string
let model: string
let ids: Uint32Array[]
let embeddings: Embedding[]
let reference: ReferenceOutputs[]
/** The model's own heads, which lie inside it. */
let seeded: Embedding[]
let officialHead: Float32Array
let seededHead: Float32Array

const outputs = { dense: true, sparse: true, colbert: true }

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bge-m3-heads-'))
  model = await standinPath({ size: 'small' })
  m3 = await Embedder.load({ model, heads: HEADS, cache: false })
  ids = await Promise.all(TEXTS.map(async (text) => (await m3.tokenize(text)).ids))
  embeddings = await m3.embed(TEXTS, { outputs })
  reference = await referenceOutputs(model, ids, {
    heads: await headsForReference(HEADS, directory),
  })
  officialHead = await rawHead(join(HEADS, 'sparse_linear.pt'))
  seededHead = await headInside(model)
  const own = await Embedder.load({ model, cache: false })
  seeded = await own.embed(TEXTS, { outputs })
  await own.dispose()
})

afterAll(async () => {
  await m3.dispose()
  await rm(directory, { recursive: true, force: true })
})

/** Weight, then bias. */
async function headInside(path: string): Promise<Float32Array> {
  const file = await GgufFile.open(path)
  const weight = fromFloat16((await file.numbers(HEAD_KEYS.sparseWeight)) as Uint16Array)
  const bias = fromFloat16((await file.numbers(HEAD_KEYS.sparseBias)) as Uint16Array)
  await file.close()
  return Float32Array.of(...weight, ...bias)
}

const at = <T>(list: readonly T[], i: number): T => list[i] as T
const row = ({ data, cols }: ColbertEmbedding, i: number) => data.subarray(i * cols, (i + 1) * cols)

/** The lexical weight of every token, by definition: relu(W . h + b); the head ends with its bias. */
function tokenWeights(text: number, head: Float32Array): number[] {
  const bias = head.at(-1) as number
  return at(reference, text).states.map((state) =>
    Math.max(
      0,
      state.reduce((sum, x, i) => sum + x * (head[i] as number), bias),
    ),
  )
}

/** The largest weight of each id that is not special. */
function maxPooled(text: number, head: Float32Array): Map<number, number> {
  const pooled = new Map<number, number>()
  const weights = tokenWeights(text, head)
  at(ids, text).forEach((id, position) => {
    const weight = at(weights, position)
    if (!SPECIAL.includes(id) && weight > 0) pooled.set(id, Math.max(pooled.get(id) ?? 0, weight))
  })
  return pooled
}

function weightsOf({ sparse }: Embedding): Map<number, number> {
  const { indices, values } = sparse as NonNullable<typeof sparse>
  return new Map(Array.from(indices, (id, i) => [id, values[i] as number]))
}

describe('sparse', () => {
  it('is computed by the reference as here', () => {
    for (const [text, { sparse }] of reference.entries()) {
      const expected = maxPooled(text, officialHead)
      expect([...sparse.keys()]).toEqual([...expected.keys()].sort((a, b) => a - b))
      for (const [id, weight] of sparse) expect(weight).toBeCloseTo(expected.get(id) as number, 9)
    }
  })

  // Few tokens of a random model get a weight from the official head, and these are small sums of
  // large terms; the model's own seeded head gives four in ten a weight.
  it.each(['official', 'seeded'] as const)('is close to the reference: %s head', (which) => {
    const head = which === 'official' ? officialHead : seededHead
    const found = which === 'official' ? embeddings : seeded
    const texts = TEXTS.map((_, text) => ({
      expected: maxPooled(text, head),
      found: weightsOf(at(found, text)),
    }))
    const largest = Math.max(...texts.flatMap(({ expected }) => [...expected.values()]))
    let worst = 0
    let compared = 0
    for (const [text, { expected, found }] of texts.entries()) {
      // an id may be missing on one side when its weight is nearly zero
      for (const id of new Set([...expected.keys(), ...found.keys()])) {
        const error = Math.abs((expected.get(id) ?? 0) - (found.get(id) ?? 0)) / largest
        expect(error, `text ${text}, id ${id}`).toBeLessThan(SPARSE_TOLERANCE)
        worst = Math.max(worst, error)
        compared++
      }
    }
    console.info(
      `sparse, ${which} head: ${compared} weights, largest error ${(100 * worst).toFixed(2)} % of ` +
        `the largest weight ${largest.toFixed(3)}`,
    )
    expect(compared).toBeGreaterThan(which === 'official' ? 40 : 200)
  })

  it('has ascending ids without repeats, weights above zero, and no special token', () => {
    for (const { sparse } of embeddings) {
      const { indices, values } = sparse as NonNullable<typeof sparse>
      expect(indices).toBeInstanceOf(Uint32Array)
      expect(values).toBeInstanceOf(Float32Array)
      expect(values).toHaveLength(indices.length)
      const list = [...indices]
      expect(list).toEqual([...new Set(list)].sort((a, b) => a - b))
      expect(list.filter((id) => SPECIAL.includes(id))).toEqual([])
      expect([...values].every((weight) => weight > 0)).toBe(true)
    }
  })

  it('drops special tokens although their weights are above zero', () => {
    const dropped = new Set<number>()
    for (const text of TEXTS.keys()) {
      for (const head of [officialHead, seededHead]) {
        const weights = tokenWeights(text, head)
        at(ids, text).forEach((id, i) => {
          if (SPECIAL.includes(id) && at(weights, i) > SPARSE_TOLERANCE) dropped.add(id)
        })
      }
    }
    expect([...dropped].sort()).toEqual([0, 2, 3]) // <s>, </s>, <unk>
  })

  it('keeps the largest weight of a token that repeats', () => {
    let told = 0
    const all = TEXTS.flatMap((_, text) => tokenWeights(text, seededHead))
    const tolerance = SPARSE_TOLERANCE * Math.max(...all)
    for (const text of TEXTS.keys()) {
      const weights = tokenWeights(text, seededHead)
      const found = weightsOf(at(seeded, text))
      const places = new Map<number, number[]>()
      at(ids, text).forEach((id, i) => {
        places.set(id, [...(places.get(id) ?? []), at(weights, i)])
      })
      for (const [id, list] of places) {
        const most = Math.max(...list)
        if (list.length < 2 || SPECIAL.includes(id) || most === 0) continue
        expect(Math.abs((found.get(id) ?? 0) - most)).toBeLessThan(tolerance)
        // the first, the last, the mean and the sum are other numbers
        const sum = list.reduce((a, b) => a + b)
        const others = [at(list, 0), at(list, list.length - 1), sum / list.length, sum]
        if (others.every((other) => Math.abs(most - other) > tolerance)) told++
      }
    }
    expect(told, 'no repeated token tells the rules apart').toBeGreaterThan(0)
  })
})

describe('colbert', () => {
  it(`has rows of cosine >= ${LEAST_ROW_COSINE}, one for every token but <s>`, () => {
    let least = 1
    let rows = 0
    for (const [text, { colbert, tokenCount }] of embeddings.entries()) {
      const matrix = colbert as ColbertEmbedding
      const expected = at(reference, text).colbert
      expect([matrix.rows, matrix.cols]).toEqual([tokenCount - 1, 1024])
      expect(matrix.data).toHaveLength((tokenCount - 1) * 1024)
      expect(expected).toHaveLength(tokenCount - 1)
      for (let i = 0; i < matrix.rows; i++) {
        const cosine = cosine64(row(matrix, i), at(expected, i))
        expect(cosine, `text ${text}, row ${i}`).toBeGreaterThanOrEqual(LEAST_ROW_COSINE)
        least = Math.min(least, cosine)
        rows++
        expect(Math.hypot(...row(matrix, i))).toBeCloseTo(1, 5)
      }
    }
    console.info(`colbert: ${rows} rows, least cosine ${least.toFixed(6)}`)
  })

  it('ends with the row of </s>, and has none of <s>', () => {
    const matrix = at(embeddings, 0).colbert as ColbertEmbedding
    const expected = at(reference, 0).colbert
    expect(at(ids, 0).at(-1)).toBe(2)
    const last = row(matrix, matrix.rows - 1)
    expect(cosine64(last, at(expected, expected.length - 1))).toBeGreaterThan(LEAST_ROW_COSINE)
    // shifted by one token no row fits
    for (let i = 0; i + 1 < matrix.rows; i++) {
      expect(cosine64(row(matrix, i), at(expected, i + 1))).toBeLessThan(LEAST_ROW_COSINE)
    }
  })

  it('cuts each row to the dimensions, and normalises it anew', async () => {
    const { dense, colbert } = await m3.embed(at(TEXTS, 0), { outputs, dimensions: 96 })
    const full = at(embeddings, 0).colbert as ColbertEmbedding
    const matrix = colbert as ColbertEmbedding
    expect(dense).toHaveLength(96)
    expect([matrix.rows, matrix.cols, matrix.data.length]).toEqual([full.rows, 96, 96 * full.rows])
    for (let i = 0; i < matrix.rows; i++) {
      const part = row(full, i).subarray(0, 96)
      const length = Math.hypot(...part)
      for (const [j, x] of row(matrix, i).entries()) {
        expect(x).toBeCloseTo((part[j] as number) / length, 6)
      }
    }
  })

  it('comes in every precision, each row converted by itself', async () => {
    const text = at(TEXTS, 0)
    const full = at(embeddings, 0).colbert as ColbertEmbedding
    const [half, byte, bits] = await Promise.all([
      m3.embed(text, { outputs, precision: 'float16' }),
      m3.embed(text, { outputs, precision: 'int8' }),
      m3.embed(text, { outputs, precision: 'binary' }),
    ])
    expect(half.colbert?.data).toBeInstanceOf(Uint16Array)
    expect(byte.colbert?.data).toBeInstanceOf(Int8Array)
    expect(bits.colbert?.data).toBeInstanceOf(Uint8Array)
    for (const { colbert, sparse, tokenCount } of [half, byte, bits]) {
      expect([colbert?.rows, colbert?.cols]).toEqual([tokenCount - 1, 1024])
      expect(sparse).toEqual(at(embeddings, 0).sparse) // weights stay float32
    }
    for (let i = 0; i < full.rows; i++) {
      const expected = row(full, i)
      const cut = <T extends { subarray(a: number, b: number): T }>(data: T, width: number) =>
        data.subarray(i * width, (i + 1) * width)
      const halves = fromFloat16(cut(half.colbert?.data as Uint16Array, 1024))
      const bytes = cut(byte.colbert?.data as Int8Array, 1024)
      expect(cosine64(halves, expected)).toBeGreaterThan(0.9999999)
      expect(cosine64(fromInt8(bytes), expected)).toBeGreaterThan(0.9995)
      expect(Math.max(...bytes.map(Math.abs))).toBe(127)
      const packed = cut(bits.colbert?.data as Uint8Array, 128)
      for (const [j, x] of expected.entries()) {
        expect((at([...packed], j >> 3) >> (7 - (j & 7))) & 1).toBe(x > 0 ? 1 : 0)
      }
    }
  })
})

describe('a colbert head of another width than the states', () => {
  const WIDTH = 128
  let narrow: Embedder
  beforeAll(async () => {
    const { colbert } = await readHeads(HEADS, 1024)
    if (!colbert) throw new Error('no head')
    const heads = join(directory, 'narrow')
    await mkdir(heads)
    await copyFile(join(HEADS, 'sparse_linear.pt'), join(heads, 'sparse_linear.pt'))
    // the first rows of the official one
    const weight = (colbert.weight as Uint16Array).slice(0, WIDTH * 1024)
    const bias = colbert.bias.slice(0, WIDTH)
    await writeTorch(join(heads, 'colbert_linear.pt'), [
      { name: 'weight', dtype: 'F16', shape: [WIDTH, 1024], chunks: () => [bytesOf(weight)] },
      { name: 'bias', dtype: 'F32', shape: [WIDTH], chunks: () => [bytesOf(bias)] },
    ])
    narrow = await Embedder.load({ model, heads, diskCache: join(directory, 'cache') })
  })
  afterAll(() => narrow?.dispose())

  it('gives rows of its width, as the same rows cut from the whole head', async () => {
    expect(narrow.info).toMatchObject({ dimensions: 1024, colbertDimensions: WIDTH })
    const cut = await m3.embed(TEXTS, { outputs, dimensions: WIDTH })
    const found = await narrow.embed(TEXTS, { outputs })
    found.forEach(({ dense, sparse, colbert }, i) => {
      expect([dense, sparse]).toEqual([at(embeddings, i).dense, at(embeddings, i).sparse])
      const expected = at(cut, i).colbert as ColbertEmbedding
      expect([colbert?.rows, colbert?.cols]).toEqual([expected.rows, WIDTH])
      colbert?.data.forEach((x, j) => {
        expect(x).toBeCloseTo(expected.data[j] as number, 5)
      })
    })
    // from the cache, too
    const again = await narrow.embed(TEXTS, { outputs })
    expect(again.every(({ cached }) => cached)).toBe(true)
    expect(again.map(({ colbert }) => colbert)).toEqual(found.map(({ colbert }) => colbert))
  })

  it('is cut where fewer dimensions are asked for, and whole where more are', async () => {
    for (const [dimensions, cols] of [
      [64, 64],
      [512, WIDTH],
    ]) {
      const { dense, colbert } = await narrow.embed('a text', { outputs, dimensions })
      expect([dense?.length, colbert?.cols]).toEqual([dimensions, cols])
    }
  })
})

describe('outputs', () => {
  it('are the same whichever of them are asked for', async () => {
    const text = at(TEXTS, 5)
    const all = at(embeddings, 5)
    const sparse = await m3.embed(text, { outputs: { sparse: true } })
    const colbert = await m3.embed(text, { outputs: { colbert: true } })
    const dense = await m3.embed(text)
    expect(Object.keys(sparse).sort()).toEqual([
      'cached',
      'sparse',
      'timings',
      'tokenCount',
      'truncated',
    ])
    expect(Object.keys(colbert).sort()).toEqual([
      'cached',
      'colbert',
      'timings',
      'tokenCount',
      'truncated',
    ])
    expect(sparse.sparse).toEqual(all.sparse)
    expect(colbert.colbert).toEqual(all.colbert)
    expect(dense.dense).toEqual(all.dense)
  })

  it('depend on the heads that were named, not on those inside the model', () => {
    expect(at(seeded, 5).dense).toEqual(at(embeddings, 5).dense)
    expect(at(seeded, 5).sparse).not.toEqual(at(embeddings, 5).sparse)
    expect(at(seeded, 5).colbert).not.toEqual(at(embeddings, 5).colbert)
    expect(m3.info.heads).toHaveLength(2)
  })
})
