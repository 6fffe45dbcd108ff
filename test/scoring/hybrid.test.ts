import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import {
  combineScores,
  computeScore,
  hybridScore,
  lexicalScore,
  type ScoreWeights,
  sparseFromWeights,
} from '../../lib/exports/scoring.js'
import { toInt8 } from '../../lib/outputs/precision.js'

const golden = JSON.parse(
  readFileSync(new URL('../fixtures/golden/bge-m3-flagembedding.json', import.meta.url), 'utf8'),
) as {
  lexical_weights: { text: string; weights: Record<string, number> }[]
  scores: { lexical_00: number }
}

describe('published numbers', () => {
  it("combine as on bge-m3's model card, with weights [0.4, 0.2, 0.4]", () => {
    // Four pairs of two sentences: what FlagEmbedding's compute_score printed.
    const card = {
      colbert: [0.7796499729156494, 0.4621465802192688, 0.4523794651031494, 0.7898575067520142],
      sparse: [0.195556640625, 0.00879669189453125, 0, 0.1802978515625],
      dense: [0.6259765625, 0.347412109375, 0.349853515625, 0.67822265625],
      'sparse+dense': [
        0.482503205537796, 0.23454029858112335, 0.2332356721162796, 0.5122477412223816,
      ],
      'colbert+sparse+dense': [
        0.6013619303703308, 0.3255828022956848, 0.32089319825172424, 0.6232916116714478,
      ],
    }
    for (let i = 0; i < 4; i++) {
      const parts = {
        dense: card.dense[i] as number,
        sparse: card.sparse[i] as number,
        colbert: card.colbert[i] as number,
      }
      const scores = combineScores(parts, [0.4, 0.2, 0.4])
      expect(scores.colbert).toBe(card.colbert[i])
      expect(scores['sparse+dense']).toBeCloseTo(card['sparse+dense'][i] as number, 6)
      expect(scores['colbert+sparse+dense']).toBeCloseTo(
        card['colbert+sparse+dense'][i] as number,
        6,
      )
    }
  })

  it('lexical: the published weights give the published score', () => {
    const [question, answer] = golden.lexical_weights.map(({ weights }) =>
      sparseFromWeights(weights),
    )
    if (question === undefined || answer === undefined) return expect.unreachable()
    // The weights are of an fp32 run, the score of an fp16 one.
    expect(Math.abs(lexicalScore(question, answer) - golden.scores.lexical_00)).toBeLessThan(1e-4)
  })
})

const query = {
  dense: [1, 0],
  sparse: { indices: [4, 7], values: [0.5, 1] },
  colbert: { data: [1, 0, 0, 1], rows: 2, cols: 2 },
}
const passage = {
  dense: [0.6, 0.8],
  sparse: { indices: [7], values: [0.5] },
  colbert: { data: [0.6, 0.8], rows: 1, cols: 2 },
}

describe('computeScore', () => {
  it('gives five modes with equal weights by default', () => {
    const scores = computeScore(query, passage)
    expect(scores.dense).toBeCloseTo(0.6, 12)
    expect(scores.sparse).toBe(0.5)
    expect(scores.colbert).toBeCloseTo(0.7, 6)
    expect(scores['sparse+dense']).toBeCloseTo(0.55, 6)
    expect(scores['colbert+sparse+dense']).toBeCloseTo(0.6, 6)
  })

  it('orders the weights dense, sparse, ColBERT', () => {
    const scores = computeScore(query, passage, { weights: [3, 1, 0] })
    expect(scores['sparse+dense']).toBeCloseTo((3 * 0.6 + 0.5) / 4, 6)
    expect(scores['colbert+sparse+dense']).toBeCloseTo((3 * 0.6 + 0.5) / 4, 6)
  })

  it('scores lists of pairs by mode', () => {
    const scores = computeScore([
      [query, passage],
      [passage, query],
    ])
    expect(scores.colbert).toHaveLength(2)
    expect(scores.dense[0]).toBe(scores.dense[1])
    expect(scores.colbert[1]).toBeCloseTo(0.8, 6)
    expect(computeScore([], { weights: [1, 0, 0] }).dense).toEqual([])
  })

  it('leaves out what is not there', () => {
    expect(computeScore({ dense: [1, 0] }, passage)).toEqual({ dense: 0.6 })
    expect(Object.keys(computeScore({ dense: [1, 0], sparse: query.sparse }, passage))).toEqual([
      'sparse',
      'dense',
      'sparse+dense',
    ])
    const lists = computeScore([
      [query, passage],
      [{ dense: [1, 0] }, passage],
    ])
    expect(Object.keys(lists)).toEqual(['dense'])
    expect(combineScores({ dense: 1, sparse: 1, colbert: 1 }, [0, 0, 1])).not.toHaveProperty(
      'sparse+dense',
    )
  })

  it('compares int8 by cosine, whose scale is unknown', () => {
    const scores = computeScore({ dense: toInt8([2, 0]) }, { dense: toInt8([3, 4]) })
    expect(scores.dense).toBeCloseTo(0.6, 2)
  })

  it('refuses bad weights and a missing passage', () => {
    for (const weights of [
      [0, 0, 0],
      [1, -1, 1],
      [1, 1],
      [1, Number.NaN, 1],
    ]) {
      const options = { weights: weights as unknown as ScoreWeights }
      expect(() => computeScore(query, passage, options)).toThrow(InvalidInputError)
      expect(() => hybridScore(query, passage, options.weights)).toThrow(InvalidInputError)
    }
    expect(() => computeScore(query, undefined as unknown as typeof passage)).toThrow(
      InvalidInputError,
    )
  })
})

describe('hybridScore', () => {
  it('is the combined mode, and needs only what has a weight', () => {
    expect(hybridScore(query, passage)).toBe(computeScore(query, passage)['colbert+sparse+dense'])
    expect(hybridScore({ dense: [1, 0] }, passage, [1, 0, 0])).toBeCloseTo(0.6, 12)
    expect(hybridScore(query, passage, [0, 1, 3])).toBeCloseTo((0.5 + 3 * 0.7) / 4, 6)
    expect(() => hybridScore({ dense: [1, 0] }, passage)).toThrow(/sparse/)
  })
})
