/** Dense vectors against the float64 reference of the same file: lengths, scripts, packed and alone. */
import { beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../lib/index.js'
import type { StandinArch } from '../../lib/model/standin/shapes.js'
import { cosine64, referenceOutputs } from '../helpers/reference.js'
import { standinPath } from '../helpers/standins.js'
import { paragraphs } from '../helpers/texts.js'

const LEAST_COSINE = 0.9995
/** Neighbours whose cosines in the reference differ by less may change places. */
const TIE = 4e-3

type Language = Parameters<typeof paragraphs>[0]

interface Case {
  name: string
  text: string
  maxTokens: number
}

/** A text of exactly so many tokens: paragraphs joined, then cut. */
function cut(language: Language, tokens: number, skip = 0): Case {
  const list = paragraphs(language)
  const count = Math.ceil(tokens / 50) + 1
  const joined = Array.from({ length: count }, (_, i) => list[(skip + i) % list.length]?.text)
  return { name: `${language} ${tokens}`, text: joined.join('\n'), maxTokens: tokens }
}

function whole(name: string, text: string): Case {
  return { name, text, maxTokens: 8192 }
}

interface Measured extends Case {
  ids: Uint32Array
  reference: Float64Array
  alone: Float32Array
  packed: Float32Array
}

/** Every case through the engine alone, then all of them in one call, and through the reference. */
async function measure(model: string, cases: readonly Case[]): Promise<Measured[]> {
  const m3 = await Embedder.load({ model, cache: false })
  try {
    const options = ({ maxTokens }: Case) => ({ maxTokens, truncate: 'end' as const })
    const ids: Uint32Array[] = []
    const alone: Float32Array[] = []
    for (const one of cases) {
      ids.push((await m3.tokenize(one.text, options(one))).ids)
      const embedding = await m3.embed(one.text, options(one))
      expect(embedding.tokenCount).toBe(ids.at(-1)?.length)
      alone.push(embedding.dense as Float32Array)
    }
    // concurrent callers share micro-batches, each with its own limit
    const packed = await Promise.all(cases.map((one) => m3.embed(one.text, options(one))))
    const references = await referenceOutputs(model, ids)
    return cases.map((one, i) => ({
      ...one,
      ids: ids[i] as Uint32Array,
      reference: references[i]?.dense as Float64Array,
      alone: alone[i] as Float32Array,
      packed: packed[i]?.dense as Float32Array,
    }))
  } finally {
    await m3.dispose()
  }
}

/** The least cosine with the reference, which is printed beside the spread between the texts. */
function expectClose(what: string, measured: readonly Measured[]): void {
  let least = 1
  let where = ''
  for (const one of measured) {
    expect(one.packed, `${one.name}: packed as alone`).toEqual(one.alone)
    const cosine = cosine64(one.alone, one.reference)
    expect(cosine, one.name).toBeGreaterThanOrEqual(LEAST_COSINE)
    if (cosine <= least) [least, where] = [cosine, one.name]
  }
  const spread = meanDistance(measured.map(({ reference }) => reference))
  // the error of a text is nothing beside what tells texts apart
  expect(1 - least).toBeLessThan(spread / 100)
  const share = ((100 * (1 - least)) / spread).toFixed(3)
  console.info(
    `${what}: least cosine ${least.toFixed(7)} (${where}) of ${measured.length} texts, ` +
      `error ${share} % of the mean distance ${spread.toFixed(3)} between them`,
  )
}

/** Mean of 1 - cosine over all pairs. */
function meanDistance(vectors: readonly Float64Array[]): number {
  const distances = vectors.flatMap((a, i) => vectors.slice(i + 1).map((b) => 1 - cosine64(a, b)))
  return distances.reduce((sum, x) => sum + x, 0) / distances.length
}

/** The other texts by cosine, nearest first. */
function neighbours(vectors: readonly ArrayLike<number>[], query: number) {
  return vectors
    .map((vector, text) => ({
      text,
      cosine: cosine64(vectors[query] as ArrayLike<number>, vector),
    }))
    .filter(({ text }) => text !== query)
    .sort((a, b) => b.cosine - a.cosine)
}

describe('small (q8_0)', () => {
  const languages: Language[] = ['en', 'de', 'zh', 'ar']
  const short = languages.flatMap((language) => [3, 17, 64].map((n) => cut(language, n, n)))
  const long = [cut('en', 512), cut('ar', 300), cut('zh', 1024), cut('de', 2048)]
  const edges = [whole('empty', ''), whole('one letter', 'a'), whole('one character', '中')]
  /** The shortest paragraphs, another quarter of them in each language, so that none is a translation. */
  const documents = languages.flatMap((language, part) =>
    paragraphs(language)
      .filter((_, i) => i % languages.length === part)
      .sort((a, b) => a.text.length - b.text.length)
      .slice(0, 10)
      .map(({ id, text }) => whole(`${language} ${id}`, text)),
  )
  let all: Measured[]

  beforeAll(async () => {
    all = await measure(await standinPath({ size: 'small' }), [
      ...edges,
      ...short,
      ...long,
      ...documents,
    ])
  }, 600_000)

  it(`keeps cosine >= ${LEAST_COSINE} from 2 to 2,048 tokens, packed and alone`, () => {
    const lengths = all.map(({ ids }) => ids.length)
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([2, 2048])
    expectClose('small', all)
  })

  it('keeps the order of nearest neighbours', () => {
    const vectors = all.slice(-documents.length)
    const reference = vectors.map((one) => one.reference)
    const engine = vectors.map((one) => one.alone)
    let kept = 0
    let widest = 0
    for (const query of vectors.keys()) {
      const before = neighbours(reference, query)
      const after = neighbours(engine, query)
      expect(after[0]?.text, `nearest of ${query}`).toBe(before[0]?.text)
      const ten = new Set(after.slice(0, 10).map(({ text }) => text))
      kept += before.slice(0, 10).filter(({ text }) => ten.has(text)).length
      // texts that changed places were as good as equally near
      const score = new Map(before.map(({ text, cosine }) => [text, cosine]))
      let least = Number.POSITIVE_INFINITY
      for (const { text } of after) {
        const cosine = score.get(text) as number
        widest = Math.max(widest, cosine - least)
        least = Math.min(least, cosine)
      }
    }
    const share = kept / (10 * vectors.length)
    console.info(
      `small: neighbours@10 ${(100 * share).toFixed(2)} % kept; places changed only between ` +
        `texts whose cosines differ by ${widest.toExponential(1)} or less`,
    )
    // llama.cpp's own Q8_0 kernels (BGE_M3_KERNELS=off) keep 98.5 % of them
    expect(share).toBeGreaterThanOrEqual(0.98)
    expect(widest).toBeLessThan(TIE)
  })

  it('would notice another text’s vector', () => {
    const [a, b] = all.slice(-2) as [Measured, Measured]
    expect(cosine64(a.alone, b.reference)).toBeLessThan(0.9)
  })
})

describe('tiny', () => {
  it('agrees at 8,192 tokens', async () => {
    const cases = [cut('en', 8192), cut('zh', 40), cut('de', 700)]
    const measured = await measure(await standinPath({ size: 'tiny' }), cases)
    expect(measured[0]?.ids).toHaveLength(8192)
    expectClose('tiny', measured)
  }, 300_000)
})

describe.each<StandinArch>(['minilm', 'bert-base'])('%s', (arch) => {
  it('agrees, from 2 tokens to its limit', async () => {
    const cases = [whole('empty', ''), whole('one letter', 'a'), cut('en', 32), cut('de', 200)]
    const measured = await measure(await standinPath({ size: 'small', arch }), [
      ...cases,
      { ...cut('en', 512, 9), maxTokens: 512 },
    ])
    expect(measured.at(-1)?.ids).toHaveLength(512)
    expectClose(arch, measured)
  }, 300_000)
})
