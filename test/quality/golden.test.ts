import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import {
  compareGolden,
  encodeGolden,
  type GoldenItem,
  type GoldenSet,
  parseGolden,
} from '../../lib/exports/quality.js'
import { modelOf } from './data.js'

const vectors = modelOf(51, 32)(8)
const items: GoldenItem[] = vectors.slice(0, 4).map((dense, i) => ({
  id: `t${i}`,
  sha256: `hash ${i}`,
  dense,
  sparse: { indices: Uint32Array.of(1, 5 + i), values: Float32Array.of(0.25, 0.5) },
  colbert: {
    data: Float32Array.from([...dense, ...(vectors[i + 4] as Float32Array)]),
    rows: 2,
    cols: 32,
  },
}))
const set: GoldenSet = {
  createdAt: '2026-11-21T00:00:00.000Z',
  model: { name: 'm', fingerprint: 'f' },
  tolerance: 0.001,
  items,
}
const file = encodeGolden(set)
const compare = (current: readonly GoldenItem[], tolerance?: number) =>
  compareGolden(parseGolden(file), { fingerprint: 'f', items: current }, { tolerance })

describe('golden sets', () => {
  it('come back from their file: dense and sparse exactly, ColBERT as halves', () => {
    const back = parseGolden(file)
    expect(back).toMatchObject({ ...set, items: items.map(({ id, sha256 }) => ({ id, sha256 })) })
    back.items.forEach((item, i) => {
      expect(item.dense).toEqual(items[i]?.dense)
      expect(item.sparse).toEqual(items[i]?.sparse)
      expect(item.colbert).toMatchObject({ rows: 2, cols: 32, data: expect.any(Uint16Array) })
    })
    expect(encodeGolden(back)).toBe(file)
    // a line per item, so that a version control system shows what changed
    expect(file.split('\n')).toHaveLength(4 + 3)
    expect(JSON.parse(file)).toMatchObject({ format: 'bge-m3-golden', version: 1 })
  })

  it('pass for the same embeddings', () => {
    expect(compare(items)).toEqual({
      kind: 'golden',
      passed: true,
      tolerance: 0.001,
      fingerprint: { golden: 'f', current: 'f', same: true },
      items: 4,
      compared: 4,
      missing: [],
      changed: [],
      added: [],
      outputs: Object.fromEntries(
        ['dense', 'sparse', 'colbert'].map((output) => [
          output,
          { compared: 4, identical: 4, failed: 0, meanDrift: 0, maxDrift: 0, worst: [] },
        ]),
      ),
    })
  })

  it('pass within the tolerance, fail beyond it, and name the worst', () => {
    const moved = items.map((item, i) => ({
      ...item,
      dense:
        i === 2 ? (item.dense as Float32Array).map((v, t) => v + (t === 0 ? 0.1 : 0)) : item.dense,
    }))
    const report = compare(moved)
    const drift = report.outputs.dense?.maxDrift as number
    expect(report.passed).toBe(false)
    expect(drift).toBeGreaterThan(0.001)
    expect(drift).toBeLessThan(0.01)
    expect(report.outputs.dense).toMatchObject({
      identical: 3,
      failed: 1,
      meanDrift: expect.closeTo(drift / 4, 12),
      worst: [{ id: 't2', drift }],
    })
    expect(report.outputs.sparse?.failed).toBe(0)
    expect(compare(moved, 0.01).passed).toBe(true)
    expect(compare(moved, drift / 2).passed).toBe(false)
  })

  it('fail for what is missing, of another text, or does not compare', () => {
    expect(compare(items.slice(1))).toMatchObject({ passed: false, missing: ['t0'], compared: 3 })
    const other = items.map((item, i) => (i === 1 ? { ...item, sha256: 'other' } : item))
    expect(compare(other)).toMatchObject({ passed: false, changed: ['t1'], compared: 3 })
    const more = [...items, { id: 'new', sha256: 'x' }]
    expect(compare(more)).toMatchObject({ passed: true, added: ['new'] })
    expect(compare([])).toMatchObject({ passed: false, outputs: {} })
    const shorter = items.map((item) => ({ ...item, dense: (item.dense as Float32Array).slice(1) }))
    expect(compare(shorter).outputs.dense).toMatchObject({ failed: 4, meanDrift: 1 })
    expect(compare(shorter).outputs.dense?.worst[0]).toEqual({ id: 't0', drift: null })
    const dense = items.map(({ id, sha256, dense }) => ({ id, sha256, dense }))
    expect(compare(dense).outputs.sparse).toMatchObject({ failed: 4 })
    const zero = items.map((item) => ({ ...item, dense: new Float32Array(32) }))
    expect(compare(zero).outputs.dense?.maxDrift).toBe(1)
    const nan = items.map((item) => ({ ...item, dense: new Float32Array(32).fill(Number.NaN) }))
    expect(compare(nan).outputs.dense?.failed).toBe(4)
    const model = compareGolden(set, { fingerprint: 'g', items })
    expect(model).toMatchObject({ passed: true, fingerprint: { same: false } })
  })

  it('refuse an id that comes twice', () => {
    const twice = { ...set, items: [items[0], items[0]] as GoldenItem[] }
    expect(() => encodeGolden(twice)).toThrow(InvalidInputError)
  })

  const changed = (change: (file: Record<string, unknown>) => void) => {
    const copy = JSON.parse(file) as Record<string, unknown>
    change(copy)
    return JSON.stringify(copy)
  }
  const first = (copy: Record<string, unknown>) =>
    (copy.items as Record<string, unknown>[])[0] ?? {}

  it.each([
    ['{', /not valid JSON/],
    ['[]', /not a JSON object/],
    ['{}', /another "format"/],
    [changed((copy) => (copy.version = 2)), /has version 2/],
    [changed((copy) => (copy.items = {})), /lacks "items"/],
    [changed((copy) => (copy.tolerance = 'x')), /lacks "items" or a "tolerance"/],
    [changed((copy) => (copy.model = null)), /"model" .* not a JSON object/],
    [changed((copy) => (first(copy).id = 1)), /Item 0 .* lacks an "id"/],
    [changed((copy) => (first(copy).id = 't1')), /comes twice/],
    [changed((copy) => (first(copy).dense = 'AAA')), /Item 0 .* not base64 of whole numbers/],
    [changed((copy) => (first(copy).dense = '%%%%')), /not base64/],
    [changed((copy) => (first(copy).dense = 7)), /not base64/],
    [changed((copy) => (first(copy).sparse = { indices: '', values: 'AAAAAA==' })), /"sparse"/],
    [changed((copy) => (first(copy).colbert = { rows: 1, cols: 9, data: '' })), /rows x cols/],
    [changed((copy) => ((copy.items as unknown[])[2] = 'x')), /Item 2 .* not a JSON object/],
  ])('refuse a broken file (%#)', (text, message) => {
    expect(() => parseGolden(text)).toThrow(InvalidInputError)
    expect(() => parseGolden(text)).toThrow(message)
  })
})
