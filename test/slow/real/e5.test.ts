/**
 * multilingual-e5-small on trained weights at length: the questions of XQuAD in English, German, Chinese and Arabic
 * against its English paragraphs, in float32, Q8_0 and Q4_0, and what bits and bytes of the vectors keep of it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Calibration, calibrate, dot, Embedder, topK } from '../../../lib/index.js'
import { toCalibratedInt8 } from '../../../lib/outputs/calibration.js'
import { toBinary, toInt8 } from '../../../lib/outputs/precision.js'
import { qualityReport } from '../../../lib/quality/report.js'
import { has } from '../../helpers/needs.mjs'
import { paragraphs } from '../../helpers/texts.js'
import { convertReal, removeConverted } from '../../real/convert-real.js'

type Vectors = readonly Float32Array[]
interface Embedded {
  passages: Vectors
  questions: Vectors
}

describe.skipIf(!has('e5'))('multilingual-e5-small across languages', () => {
  // half of them, and a question each: float32 is slow
  const half = (language: 'en' | 'de' | 'zh' | 'ar') => paragraphs(language).slice(0, 120)
  const texts = half('en').map(({ text }) => text)
  const asked = (['en', 'de', 'zh', 'ar'] as const).flatMap((language) =>
    half(language).flatMap(({ questions: [text = ''] }, at) => ({ text, at })),
  )
  let exact: Embedded
  afterAll(removeConverted)

  const embedded = async (type: 'f32' | 'q8_0' | 'q4_0'): Promise<Embedded> => {
    const path = await convertReal('multilingual-e5-small', type)
    const model = await Embedder.load({ model: path, cache: false })
    const embed = async (list: readonly string[], prompt: string) =>
      (await model.embed(list, { prompt: { text: `${prompt}: ` }, truncate: 'end' })).map(
        ({ dense }) => dense,
      )
    try {
      const passages = await embed(texts, 'passage')
      const questions = await embed(
        asked.map(({ text }) => text),
        'query',
      )
      return { passages, questions }
    } finally {
      await model.dispose()
    }
  }
  beforeAll(async () => {
    exact = await embedded('f32')
  })

  /** One paragraph answers a question, so nDCG@10 is 1 / log2(1 + its rank), and MRR@10 1 / its rank. */
  const measure = (ranked: readonly (readonly number[])[]) => {
    const ranks = ranked.map((found, i) => found.indexOf(asked[i]?.at as number) + 1)
    const mean = (gain: (rank: number) => number) =>
      ranks.reduce((sum, rank) => sum + (rank > 0 ? gain(rank) : 0), 0) / ranks.length
    return {
      first: ranks.filter((rank) => rank === 1).length,
      mrr: mean((rank) => 1 / rank),
      ndcg: mean((rank) => 1 / Math.log2(1 + rank)),
    }
  }
  const nearest = (questions: readonly Float32Array[], passages: readonly Float32Array[]) =>
    questions.map((query) => topK(query, passages, 10).map(({ index }) => index))

  it('finds in Q8_0 and Q4_0 what float32 finds', async () => {
    const whole = measure(nearest(exact.questions, exact.passages))
    console.info(`${asked.length} questions, ${texts.length} paragraphs: f32`, whole)
    expect(whole.first / asked.length).toBeGreaterThan(0.7)
    for (const type of ['q8_0', 'q4_0'] as const) {
      const { passages, questions } = await embedded(type)
      const found = measure(nearest(questions, passages))
      console.info(type, found)
      expect(Math.abs(found.mrr - whole.mrr)).toBeLessThan(0.003)
      expect(Math.abs(found.ndcg - whole.ndcg)).toBeLessThan(0.003)
    }
  })

  it('by calibrated bits finds most of it, where signs find little, and the report warns of signs', () => {
    const ofPassages = calibrate(exact.passages)
    const ofQuestions = calibrate(exact.questions)
    const bits = (vectors: Vectors, by?: Calibration) =>
      vectors.map((vector) => toBinary(vector, by?.means))
    const search = (questions: readonly Uint8Array[], passages: readonly Uint8Array[], k: number) =>
      questions.map((query) =>
        topK(query, passages, k, { metric: 'dot' }).map(({ index }) => index),
      )
    const signs = bits(exact.passages)
    const calibrated = bits(exact.passages, ofPassages)
    const asSigns = bits(exact.questions)
    const asBits = bits(exact.questions, ofQuestions)
    const whole = measure(nearest(exact.questions, exact.passages))
    const bySigns = measure(search(asSigns, signs, 10))
    const byBits = measure(search(asBits, calibrated, 10))
    const rescored = measure(
      search(asBits, calibrated, 100).map((found, i) => {
        const score = (index: number) =>
          dot(exact.questions[i] as Float32Array, exact.passages[index] as Float32Array)
        return [...found].sort((a, b) => score(b) - score(a)).slice(0, 10)
      }),
    )
    const leans = [signs, calibrated].map((rows) => qualityReport(rows))
    console.info('signs', bySigns, 'calibrated bits', byBits, 'and rescored', rescored)
    console.info(
      'mean cosine of signs and of calibrated bits',
      leans.map(({ anisotropy }) => anisotropy),
      'of float32',
      qualityReport(exact.passages).anisotropy,
    )
    expect(byBits.first).toBeGreaterThan(1.5 * bySigns.first)
    expect(byBits.first).toBeGreaterThan(0.8 * whole.first)
    expect(rescored.first).toBeGreaterThan(0.98 * whole.first)
    expect(leans[0]?.notes.join()).toContain('calibrate()')
    expect(leans[1]?.notes.join()).not.toContain('calibrate()')
  })

  it('by int8 loses nothing to speak of, calibrated or not', () => {
    const whole = measure(nearest(exact.questions, exact.passages))
    const own = (vectors: Vectors) => vectors.map((vector) => Float32Array.from(toInt8(vector)))
    const calibration = calibrate([...exact.passages, ...exact.questions])
    const byRange = (vectors: Vectors) =>
      vectors.map((vector) => Float32Array.from(toCalibratedInt8(vector, calibration)))
    const each = measure(nearest(own(exact.questions), own(exact.passages)))
    const ranged = measure(nearest(byRange(exact.questions), byRange(exact.passages)))
    console.info('int8 by its own scale', each, 'by calibrated ranges', ranged)
    expect(Math.abs(each.mrr - whole.mrr)).toBeLessThan(0.005)
    expect(ranged.first).toBeGreaterThan(0.9 * whole.first)
  })
})
