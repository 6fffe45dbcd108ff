/** FlagEmbedding's published numbers, and how far a GGUF of the same weights may be from them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { colbertScore, dot, lexicalScore } from '../../lib/exports/scoring.js'
import type { Embedder, Embedding } from '../../lib/index.js'
import { root } from '../helpers/child.js'

interface GoldenFile {
  lexical_weights: { text: string; weights: Record<string, number> }[]
  scores: {
    sentences_1: [string, string]
    sentences_2: [string, string]
    dense: [[number, number], [number, number]]
    lexical_00: number
    lexical_s1_pair: number
    colbert_00: number
    colbert_01: number
  }
}

export const golden = JSON.parse(
  readFileSync(join(root, 'test/fixtures/golden/bge-m3-flagembedding.json'), 'utf8'),
) as GoldenFile

/**
 * For a Q8_0 file. Published for other runtimes against FlagEmbedding in float32: dense cosine >= 0.9992
 * through ggml, and the sparse output is the most sensitive one. A vector at cosine 0.9992 from its
 * original is 0.04 away from it, nearly at right angles to any other text, so a score moves by a
 * fraction of that. The published scores were computed in float16: another 0.001.
 */
export const TOLERANCE = {
  denseScore: 0.02,
  /** Of one token's weight; the largest ones are about 0.29. */
  lexicalWeight: 0.03,
  /** Between the weights of one text as vectors. */
  lexicalCosine: 0.99,
  lexicalScore: 0.03,
  colbertScore: 0.02,
}

/** A number that is compared, or something that can only be right or wrong. */
export interface Comparison {
  what: string
  expected: number
  found: number
  tolerance: number
}

export function passes({ expected, found, tolerance }: Comparison): boolean {
  return Math.abs(found - expected) <= tolerance
}

/** For a message: what failed, or nothing. */
export function failures(comparisons: readonly Comparison[]): string[] {
  return comparisons
    .filter((one) => !passes(one))
    .map(
      ({ what, expected, found, tolerance }) =>
        `${what}: ${found.toFixed(5)}, published ${expected.toFixed(5)} +- ${tolerance}`,
    )
}

const OUTPUTS = { dense: true, sparse: true, colbert: true }

function weightsOf({ sparse }: Embedding): Map<number, number> {
  return new Map(Array.from(sparse?.indices ?? [], (id, i) => [id, sparse?.values[i] ?? 0]))
}

/** Every token's weight in every published text; a token on one side only counts as zero on the other. */
export async function compareLexicalWeights(m3: Embedder): Promise<Comparison[]> {
  const texts = golden.lexical_weights.map(({ text }) => text)
  const embeddings = await m3.embed(texts, { outputs: OUTPUTS })
  return golden.lexical_weights.flatMap(({ text, weights }, i) => {
    const published = new Map(Object.entries(weights).map(([id, weight]) => [Number(id), weight]))
    const found = weightsOf(embeddings[i] as Embedding)
    const name = text === '' ? 'the empty text' : text.slice(0, 24)
    const ids = [...new Set([...published.keys(), ...found.keys()])]
    const comparisons: Comparison[] = ids.map((id) => ({
      what: `weight of token ${id} in ${name}`,
      expected: published.get(id) ?? 0,
      found: found.get(id) ?? 0,
      tolerance: TOLERANCE.lexicalWeight,
    }))
    if (published.size > 0) {
      const pairs = ids.map((id) => [published.get(id) ?? 0, found.get(id) ?? 0] as const)
      const sum = (term: (a: number, b: number) => number) =>
        pairs.reduce((total, [a, b]) => total + term(a, b), 0)
      const product = Math.sqrt(sum((a) => a * a) * sum((_, b) => b * b))
      comparisons.push({
        what: `cosine of the weights of ${name}`,
        expected: 1,
        found: product === 0 ? 0 : sum((a, b) => a * b) / product,
        tolerance: 1 - TOLERANCE.lexicalCosine,
      })
    }
    return comparisons
  })
}

/** The README's pairs: dense, lexical and ColBERT scores. */
export async function compareScores(m3: Embedder): Promise<Comparison[]> {
  const { scores } = golden
  const embed = (texts: string[]) => m3.embed(texts, { outputs: OUTPUTS })
  const [first, second] = await Promise.all([embed(scores.sentences_1), embed(scores.sentences_2)])
  const compare = (
    what: string,
    expected: number,
    tolerance: number,
    score: (a: Required<Embedding>, b: Required<Embedding>) => number,
    a: Embedding | undefined,
    b: Embedding | undefined,
  ): Comparison => ({
    what,
    expected,
    tolerance,
    found: score(a as Required<Embedding>, b as Required<Embedding>),
  })
  const dense = scores.dense.flatMap((row, i) =>
    row.map((expected, j) =>
      compare(
        `dense score ${i}, ${j}`,
        expected,
        TOLERANCE.denseScore,
        (a, b) => dot(a.dense, b.dense),
        first[i],
        second[j],
      ),
    ),
  )
  const lexical = (a: Required<Embedding>, b: Required<Embedding>) =>
    lexicalScore(a.sparse, b.sparse)
  const colbert = (a: Required<Embedding>, b: Required<Embedding>) =>
    colbertScore(a.colbert, b.colbert)
  const { lexicalScore: lexicalTolerance, colbertScore: colbertTolerance } = TOLERANCE
  return [
    ...dense,
    compare('lexical 0, 0', scores.lexical_00, lexicalTolerance, lexical, first[0], second[0]),
    compare(
      'lexical of both queries',
      scores.lexical_s1_pair,
      lexicalTolerance,
      lexical,
      first[0],
      first[1],
    ),
    compare('ColBERT 0, 0', scores.colbert_00, colbertTolerance, colbert, first[0], second[0]),
    compare('ColBERT 0, 1', scores.colbert_01, colbertTolerance, colbert, first[0], second[1]),
  ]
}
