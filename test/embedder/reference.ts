/** Dense vectors beside the float64 reference of the same file: cases, measures, and what is asked of them. */
import { describe, expect, it } from 'vitest'
import { Embedder } from '../../lib/index.js'
import type { StandinArch } from '../../lib/model/standin/shapes.js'
import { cosine64, referenceOutputs } from '../helpers/reference.js'
import { standinPath } from '../helpers/standins.js'
import { paragraphs } from '../helpers/texts.js'

export const LEAST_COSINE = 0.9995
export type Language = Parameters<typeof paragraphs>[0]

interface Case {
  name: string
  text: string
  maxTokens: number
}

/** A text of exactly so many tokens: paragraphs joined, then cut. */
export function cut(language: Language, tokens: number, skip = 0): Case {
  const list = paragraphs(language)
  const count = Math.ceil(tokens / 50) + 1
  const joined = Array.from({ length: count }, (_, i) => list[(skip + i) % list.length]?.text)
  return { name: `${language} ${tokens}`, text: joined.join('\n'), maxTokens: tokens }
}

export function whole(name: string, text: string): Case {
  return { name, text, maxTokens: 8192 }
}

export interface Measured extends Case {
  ids: Uint32Array
  reference: Float64Array
  alone: Float32Array
  packed: Float32Array
}

/** Every case through the engine alone, then all of them in one call, and through the reference. */
export async function measure(model: string, cases: readonly Case[]): Promise<Measured[]> {
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
export function expectClose(what: string, measured: readonly Measured[]): void {
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

/** At every length that this architecture takes. */
export function agreesWithReference(arch: StandinArch): void {
  describe(arch, () => {
    it('agrees, from 2 tokens to its limit', async () => {
      const cases = [whole('empty', ''), whole('one letter', 'a'), cut('en', 32), cut('de', 200)]
      const measured = await measure(await standinPath({ size: 'small', arch }), [
        ...cases,
        { ...cut('en', 512, 9), maxTokens: 512 },
      ])
      expect(measured.at(-1)?.ids).toHaveLength(512)
      expectClose(arch, measured)
    })
  })
}
