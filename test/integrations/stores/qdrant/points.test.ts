import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../../lib/common/errors.js'
import type { EmbeddingData } from '../../../../lib/common/types.js'
import {
  MULTIVECTOR_NUMBERS,
  numbers,
  preparePoint,
  type QdrantPayload,
} from '../../../../lib/integrations/stores/qdrant/points.js'
import { requestsOf } from '../../../../lib/integrations/stores/qdrant/store.js'
import { ALL, embedding, stored } from './samples.js'

const OPTIONS = {
  outputs: ALL,
  names: { dense: 'dense', sparse: 'sparse', colbert: 'colbert' },
  keepText: true,
}

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true })

/** An embedding of arbitrary finite numbers. */
const embeddings: fc.Arbitrary<EmbeddingData> = fc
  .record({
    dense: fc.array(float32, { minLength: 1, maxLength: 20 }),
    weights: fc.uniqueArray(fc.tuple(fc.nat({ max: 2 ** 32 - 1 }), float32), {
      selector: ([index]) => index,
    }),
    rows: fc.nat({ max: 5 }),
  })
  .map(({ dense, weights, rows }) => ({
    ...embedding(1),
    dense: Float32Array.from(dense),
    sparse: {
      indices: Uint32Array.from(weights, ([index]) => index),
      values: Float32Array.from(weights, ([, value]) => value),
    },
    colbert: {
      data: Float32Array.from(Array.from({ length: rows }, () => dense).flat()),
      rows,
      cols: dense.length,
    },
  }))

describe('numbers', () => {
  const bits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]
  it('read back as the same float32, through a double or not, and have 9 digits at most', () => {
    const parts = fc.float({ min: -1, max: 1, noNaN: true })
    fc.assert(
      fc.property(fc.oneof(parts, float32), (value) => {
        const [number = Number.NaN] = numbers(Float32Array.of(value))
        const printed = JSON.stringify(number)
        if (value !== 0) expect(bits(JSON.parse(printed))).toBe(bits(value))
        expect(
          printed
            .replace(/e.*/, '')
            .replace(/^-?0?\.?0*|\./g, '')
            .replace(/0+$/, '').length,
        ).toBeLessThanOrEqual(9)
      }),
      { numRuns: 5000 },
    )
  })
})

describe('preparePoint', () => {
  it('is never larger than it says, and reads back as the same float32', () => {
    fc.assert(
      fc.property(
        embeddings,
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (made, id, text, metadata) => {
          const point = preparePoint(stored(id, 1, { embedding: made, text, metadata }), OPTIONS)
          const json = JSON.stringify(point.build())
          expect(Buffer.byteLength(json)).toBeLessThanOrEqual(point.bytes)
          const { vector, payload } = JSON.parse(json)
          // but for the sign of zero
          const dense = Float32Array.from(vector.dense)
          expect(dense.every((value, i) => value === made.dense?.[i])).toBe(true)
          expect(vector.sparse?.indices ?? []).toEqual(Array.from(made.sparse?.indices ?? []))
          expect(payload).toMatchObject({ id, text })
        },
      ),
    )
  })

  it('is not far below what it says for what a model gives', () => {
    const made = embedding(3, { rows: 100, dimensions: 256 })
    const point = preparePoint(stored('a', 3, { embedding: made }), OPTIONS)
    const actual = Buffer.byteLength(JSON.stringify(point.build()))
    expect(point.bytes / actual).toBeLessThan(1.8)
  })

  it('leaves out vectors of a text that has none', () => {
    const none = embedding(1, { rows: 0, weights: 0 })
    const { vector } = preparePoint(stored('a', 1, { embedding: none }), OPTIONS).build()
    expect(Object.keys(vector)).toEqual(['dense'])
  })

  it('keeps the first rows of a multi-vector that Qdrant would refuse', () => {
    const rows = 8192
    const long = {
      ...embedding(1),
      colbert: { data: new Float32Array(rows * 1024), rows, cols: 1024 },
    }
    const point = preparePoint(stored('a', 1, { embedding: long }), OPTIONS)
    expect(point.colbertCut).toBe(true)
    const { colbert } = point.build().vector as { colbert: number[][] }
    expect(colbert).toHaveLength(1023)
    expect(1023 * 1024).toBeLessThanOrEqual(MULTIVECTOR_NUMBERS)
    expect(1024 * 1024).toBeGreaterThan(MULTIVECTOR_NUMBERS)
    // one such point always fits a request
    expect(point.bytes).toBeLessThan(32 * 2 ** 20)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses %d among the numbers', (bad) => {
    const wrong = { ...embedding(1), dense: Float32Array.of(1, bad) }
    expect(() => preparePoint(stored('a', 1, { embedding: wrong }), OPTIONS)).toThrow(/finite/)
  })

  it.each(['dense', 'sparse', 'colbert'] as const)('refuses an embedding without %s', (output) => {
    const { [output]: _, ...rest } = embedding(1)
    expect(() => preparePoint(stored('a', 1, { embedding: rest }), OPTIONS)).toThrow(output)
  })

  it('keeps metadata as JSON has it, in valid Unicode', () => {
    const metadata = {
      when: new Date(0),
      nothing: undefined,
      deep: [{ 'bad \ud800 key': 'bad \udc00 value' }],
      text: 'ünï 😀',
    }
    const point = preparePoint(stored('a', 1, { metadata, text: 'x\ud800y' }), OPTIONS)
    const payload = point.build().payload as unknown as QdrantPayload
    expect(payload.metadata).toEqual({
      when: '1970-01-01T00:00:00.000Z',
      deep: [{ 'bad \ufffd key': 'bad \ufffd value' }],
      text: 'ünï 😀',
    })
    expect(payload.text).toBe('x\ufffdy')
  })

  it('refuses metadata that is no JSON, and does not show it', () => {
    const cycle: Record<string, unknown> = { secret: 'what nobody may read' }
    cycle.self = cycle
    for (const metadata of [cycle, { n: 1n }]) {
      const prepare = () => preparePoint(stored('a', 1, { metadata }), OPTIONS)
      expect(prepare).toThrow(InvalidInputError)
      expect(prepare).not.toThrow(/secret|nobody/)
    }
  })

  it('keeps no text when it should not', () => {
    const point = preparePoint(stored('a', 1), { ...OPTIONS, keepText: false })
    expect(point.build().payload).toEqual({ id: 'a', model: 'f'.repeat(32) })
  })
})

describe('requestsOf', () => {
  const items = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 100 }) }), { maxLength: 60 })
  it('keeps every point in order, and to both limits where one point does not break them', () => {
    fc.assert(
      fc.property(
        items,
        fc.integer({ min: 1, max: 120 }),
        fc.integer({ min: 1, max: 9 }),
        (points, bytes, most) => {
          const groups = requestsOf(points, { bytes, points: most })
          expect(groups.flat()).toEqual(points)
          for (const group of groups) {
            const size = group.reduce((sum, point) => sum + point.bytes, 0)
            expect(group.length).toBeGreaterThan(0)
            expect(group.length).toBeLessThanOrEqual(most)
            expect(size <= bytes || group.length === 1).toBe(true)
          }
          // none could take the first of the next
          groups.slice(1).forEach((group, i) => {
            const before = groups[i] as typeof points
            const size = before.reduce((sum, point) => sum + point.bytes, 0)
            expect(before.length === most || size + (group[0]?.bytes ?? 0) > bytes).toBe(true)
          })
        },
      ),
    )
  })
})
