import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { calibrate, Embedder, fromBinary, InvalidInputError } from '../../lib/index.js'
import { toCalibratedInt8 } from '../../lib/outputs/calibration.js'
import { toBinary } from '../../lib/outputs/precision.js'
import { qualityReport } from '../../lib/quality/report.js'
import { root } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'

interface Recorded {
  vectors: number[][]
  int8: number[][]
  /** `ubinary` of the vectors less their means. */
  centred: number[][]
}
const recorded = JSON.parse(
  readFileSync(join(root, 'test/fixtures/outputs/calibration.json'), 'utf8'),
) as Recorded
const vectors = recorded.vectors.map((vector) => Float32Array.from(vector))

describe('calibrate', () => {
  const calibration = calibrate(vectors)

  it('has the mean and the ends of every dimension', () => {
    calibration.means.forEach((mean, i) => {
      const values = recorded.vectors.map((vector) => vector[i] as number)
      expect(mean).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 6)
      expect(calibration.lows[i]).toBe(Math.min(...values))
      expect(calibration.highs[i]).toBe(Math.max(...values))
    })
  })

  it('gives the bytes and bits of sentence-transformers, and survives JSON', () => {
    const kept = JSON.parse(JSON.stringify(calibration)) as typeof calibration
    vectors.forEach((vector, row) => {
      expect([...toCalibratedInt8(vector, kept)]).toEqual(recorded.int8[row])
      expect([...toBinary(vector, kept.means)]).toEqual(recorded.centred[row])
    })
  })

  it('puts what lies outside of the sample at the ends', () => {
    const far = Float32Array.from(calibration.means, (_, i) => (i % 2 ? 9 : -9))
    expect(new Set(toCalibratedInt8(far, calibration))).toEqual(new Set([-128, 127]))
    expect(() =>
      toCalibratedInt8(
        far.map(() => Number.NaN),
        calibration,
      ),
    ).toThrow(InvalidInputError)
    const same = calibrate([Float32Array.of(1, 2), Float32Array.of(1, 3)])
    expect([...toCalibratedInt8(Float32Array.of(1, 2.5), same)]).toEqual([0, -1])
  })

  it.each<[string, unknown]>([
    ['nothing', []],
    ['no list', 7],
    ['other arrays', [[1, 2]]],
    ['vectors of no components', [new Float32Array(0)]],
    ['vectors of two lengths', [new Float32Array(8), new Float32Array(16)]],
    ['NaN', [Float32Array.of(1, Number.NaN)]],
  ])('refuses %s', (_, given) => {
    expect(() => calibrate(given as Float32Array[])).toThrow(InvalidInputError)
  })
})

describe('embed({ calibration })', () => {
  const texts = mixedTexts(40)
  let m3: Embedder
  let dense: Float32Array[]
  beforeAll(async () => {
    m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
    dense = (await m3.embed(texts)).map((one) => one.dense)
  })
  afterAll(() => m3.dispose())

  it('has every dimension on about as often as off, and each bit where float32 says', async () => {
    const calibration = calibrate(dense)
    const found = await m3.embed(texts, { precision: 'binary', calibration })
    found.forEach((one, row) => {
      const bits = fromBinary(one.dense)
      dense[row]?.forEach((value, i) => {
        expect(bits[i]).toBe(value > (calibration.means[i] as number) ? 1 : -1)
      })
    })
    const report = qualityReport(found.map((one) => one.dense))
    expect(Math.abs(report.anisotropy as number)).toBeLessThan(0.1)
  })

  it('gives the same in a stream, in chunks and alone, and names another fingerprint', async () => {
    const calibration = calibrate(dense)
    const options = { precision: 'int8', calibration } as const
    const chunks = texts.slice(0, 5).map((text, i) => ({ id: String(i), text }))
    const { items } = await m3.embedChunks(chunks, options)
    const plain = await m3.embedChunks(chunks, { precision: 'int8' })
    for (const [i, item] of items.entries()) {
      expect(item.embedding.dense).toEqual((await m3.embed(texts[i] as string, options)).dense)
      expect(item.model).not.toBe(plain.items[i]?.model)
      expect(item.model).toContain(m3.info.fingerprint)
    }
    const other = calibrate(dense.slice(1))
    const again = await m3.embedChunks(chunks, { ...options, calibration: other })
    expect(again.items[0]?.model).not.toBe(items[0]?.model)
  })

  it('is refused where it would do nothing or something else', async () => {
    const calibration = calibrate(dense)
    const binary = { precision: 'binary', calibration } as const
    const wrong = [
      { calibration },
      { calibration, precision: 'float16' },
      { ...binary, outputs: { dense: true, colbert: true } },
      { ...binary, outputs: { sparse: true } },
      { ...binary, dimensions: 32 },
      { ...binary, calibration: { ...calibration, lows: [] } },
      { ...binary, calibration: { ...calibration, lows: calibration.highs.map((x) => x + 1) } },
      {
        ...binary,
        calibration: { ...calibration, means: calibration.means.map(() => Number.NaN) },
      },
      { ...binary, calibration: 'calibrated' },
      { ...binary, calibration: null },
    ]
    for (const options of wrong) {
      await expect(m3.embed('x', options as never)).rejects.toThrow(InvalidInputError)
    }
  })
})

describe('the quality report', () => {
  const bitsOf = (list: readonly Float32Array[], thresholds?: readonly number[]) =>
    list.map((vector) => toBinary(vector, thresholds))

  it('warns of bits that all lean one way, and of no others', () => {
    const { means } = calibrate(vectors)
    const leaning = vectors.map((v) => v.map((x, i) => x - (means[i] as number) + 0.2))
    expect(qualityReport(bitsOf(leaning)).notes.join()).toContain('calibrate()')
    expect(qualityReport(bitsOf(leaning, calibrate(leaning).means)).notes).toEqual([])
    expect(qualityReport(leaning).notes).toEqual([])
  })
})
