import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../lib/common/errors.js'
import { calibrate, syntheticIds } from '../../../lib/engine/estimate/calibrate.js'
import { featuresOf, packedBatches } from '../../../lib/engine/estimate/cost-features.js'
import { CostModel } from '../../../lib/engine/estimate/cost-model.js'
import { nonNegativeLeastSquares } from '../../../lib/engine/estimate/least-squares.js'
import { Output } from '../../../lib/native/addon.js'

const DENSE: number = Output.dense
const COLBERT: number = Output.dense | Output.colbert

/** A machine whose speed is known: about bge-m3 on two cores. */
class Machine {
  slow = 1
  #state = 7

  constructor(readonly noise = 0) {}

  random(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0
    return this.#state / 2 ** 32
  }

  ms(lengths: readonly number[], outputs: number = DENSE): number {
    const [, tokens, squares, colbert] = featuresOf(lengths, outputs)
    const exact = 3 + 0.95 * tokens + 2.6e-4 * squares + 0.12 * colbert
    return exact * this.slow * (1 + this.noise * (2 * this.random() - 1))
  }
}

/** Batches as a scheduler makes them of texts of such lengths. */
function batchesOf(lengths: readonly number[], batchTokens = 512): number[][] {
  const batches: number[][] = []
  for (const length of lengths) {
    const last = batches.at(-1)
    const used = last?.reduce((a, b) => a + b, 0) ?? 0
    if (last && used + length <= batchTokens && last.length < 128) last.push(length)
    else batches.push([length])
  }
  return batches
}

function observeAll(
  model: CostModel,
  machine: Machine,
  batches: number[][],
  outputs = DENSE,
): void {
  for (const lengths of batches) {
    model.observe({ lengths, outputs, computeMs: machine.ms(lengths, outputs) })
  }
}

const mixed = (machine: Machine, count: number, most: number) =>
  Array.from({ length: count }, () => Math.ceil(8 + (most - 8) * machine.random() ** 2))

function trueSeconds(lengths: number[], outputs = DENSE): number {
  const machine = new Machine()
  return batchesOf(lengths).reduce((sum, batch) => sum + machine.ms(batch, outputs), 0) / 1000
}

describe('CostModel', () => {
  it('finds the true costs from a mixed run, and predicts other lengths', () => {
    const machine = new Machine()
    const model = new CostModel()
    observeAll(model, machine, batchesOf(mixed(machine, 200, 1000)))
    for (const lengths of [[8], [512], [4000], [8192], mixed(machine, 500, 300)]) {
      const { seconds } = model.predict(lengths, { batchTokens: 512, outputs: DENSE })
      expect(seconds / trueSeconds(lengths)).toBeCloseTo(1, 1)
    }
  })

  it('is right within 25 % after a short run with noise and outliers', () => {
    const ratios: number[] = []
    const far: number[] = []
    for (let seed = 0; seed < 100; seed++) {
      const machine = new Machine(0.15)
      for (let i = 0; i < seed * 100; i++) machine.random()
      const model = new CostModel()
      batchesOf(mixed(machine, 60, 500)).forEach((lengths, i) => {
        const held = i % 10 === 3 ? 4 : 1
        model.observe({ lengths, outputs: DENSE, computeMs: held * machine.ms(lengths) })
      })
      for (const lengths of [mixed(machine, 300, 600), mixed(machine, 50, 60), [512, 512, 512]]) {
        const { seconds } = model.predict(lengths, { batchTokens: 512, outputs: DENSE })
        ratios.push(seconds / trueSeconds(lengths))
      }
      // six times as long as anything that ran
      const { seconds } = model.predict([3000], { batchTokens: 512, outputs: DENSE })
      far.push(seconds / trueSeconds([3000]))
    }
    ratios.sort((a, b) => a - b)
    far.sort((a, b) => a - b)
    expect(far[5]).toBeGreaterThan(0.68)
    expect(far[94]).toBeLessThan(1.32)
    expect(ratios[0]).toBeGreaterThan(0.8)
    // a kind that was seen once or twice, and held up
    expect(ratios[297]).toBeLessThan(1.25)
    expect(ratios[299]).toBeLessThan(1.5)
  })

  it('does not forget other kinds in a long run of one', () => {
    const machine = new Machine(0.05)
    const model = new CostModel()
    observeAll(model, machine, [[16], [128], [512], [1024], ...batchesOf(Array(60).fill(20))])
    observeAll(model, machine, Array(5000).fill([500]))
    for (const lengths of [[16], [16, 16, 16, 16], [1024], Array(100).fill(100)]) {
      const { seconds } = model.predict(lengths, { batchTokens: 512, outputs: DENSE })
      expect(Math.abs(seconds / trueSeconds(lengths) - 1)).toBeLessThan(0.15)
    }
  })

  it('says something sensible of what it never saw', () => {
    const machine = new Machine()
    const model = new CostModel({ dim: 1024 })
    observeAll(model, machine, Array(20).fill([256, 256]))
    for (const lengths of [[100], [1000], [4000], Array(20).fill(50)]) {
      const { seconds } = model.predict(lengths, { batchTokens: 512, outputs: DENSE })
      expect(seconds / trueSeconds(lengths)).toBeGreaterThan(0.6)
      expect(seconds / trueSeconds(lengths)).toBeLessThan(1.7)
    }
  })

  it('follows a machine that becomes slower, and faster again', () => {
    const machine = new Machine(0.05)
    const model = new CostModel()
    const lengths = mixed(machine, 200, 400)
    observeAll(model, machine, batchesOf(lengths))
    const predict = () => model.predict(lengths, { batchTokens: 512, outputs: DENSE }).seconds
    machine.slow = 2
    observeAll(model, machine, batchesOf(mixed(machine, 80, 400)))
    expect(predict() / (2 * trueSeconds(lengths))).toBeGreaterThan(0.8)
    expect(predict() / (2 * trueSeconds(lengths))).toBeLessThan(1.2)
    machine.slow = 1
    observeAll(model, machine, batchesOf(mixed(machine, 80, 400)))
    expect(predict() / trueSeconds(lengths)).toBeGreaterThan(0.8)
    expect(predict() / trueSeconds(lengths)).toBeLessThan(1.2)
  })

  it('knows that ColBERT costs more', () => {
    const machine = new Machine(0.02)
    const model = new CostModel()
    observeAll(model, machine, batchesOf(mixed(machine, 100, 400)))
    observeAll(model, machine, batchesOf(mixed(machine, 100, 400)), COLBERT)
    const lengths = mixed(machine, 100, 300)
    const plain = model.predict(lengths, { batchTokens: 512, outputs: DENSE }).seconds
    const multi = model.predict(lengths, { batchTokens: 512, outputs: COLBERT }).seconds
    expect(multi / plain).toBeCloseTo(trueSeconds(lengths, COLBERT) / trueSeconds(lengths), 1)
  })

  it('predicts nothing below zero, whatever it was told', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            lengths: fc.array(fc.integer({ min: 2, max: 8192 }), { minLength: 1, maxLength: 8 }),
            outputs: fc.constantFrom(DENSE, COLBERT),
            computeMs: fc.double({ min: 1e-3, max: 1e5, noNaN: true }),
          }),
          { minLength: 1, maxLength: 30 },
        ),
        fc.array(fc.integer({ min: 2, max: 8192 }), { minLength: 1, maxLength: 20 }),
        (observations, lengths) => {
          const model = new CostModel()
          for (const observation of observations) model.observe(observation)
          const { seconds } = model.predict(lengths, { batchTokens: 512, outputs: DENSE })
          expect(seconds).toBeGreaterThan(0)
          expect(Number.isFinite(seconds)).toBe(true)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('ignores what is no measurement, and predicts nothing from nothing', () => {
    const model = new CostModel()
    for (const computeMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      model.observe({ lengths: [10], outputs: DENSE, computeMs })
    }
    model.observe({ lengths: [], outputs: DENSE, computeMs: 5 })
    expect(model.isReady).toBe(false)
    const options = { batchTokens: 512, outputs: DENSE }
    expect(() => model.predict([10], options)).toThrow(InvalidInputError)
    model.observe({ lengths: Uint32Array.of(10), outputs: DENSE, computeMs: 5 })
    expect(model.predict([], options)).toEqual({ seconds: 0, batches: 0 })
  })

  it('keeps a bounded record, from which another model predicts the same', () => {
    const machine = new Machine(0.1)
    const model = new CostModel()
    observeAll(model, machine, batchesOf(mixed(machine, 20_000, 2000)))
    const text = JSON.stringify(model)
    expect(text.length).toBeLessThan(100_000)
    const other = new CostModel()
    expect(other.restore(JSON.parse(text))).toBe(true)
    const lengths = mixed(machine, 100, 800)
    const options = { batchTokens: 512, outputs: DENSE }
    const here = model.predict(lengths, options).seconds
    expect(Math.abs(other.predict(lengths, options).seconds / here - 1)).toBeLessThan(0.1)
  })

  it('refuses a record that is none', () => {
    const good = [1, 10, 100, 0, 5]
    const bad: unknown[] = [
      null,
      7,
      'x',
      {},
      { version: 2, observations: [good] },
      { version: 1 },
      { version: 1, observations: [good, [1, 10, 100, 0]] },
      { version: 1, observations: [[1, 10, 100, 0, Number.NaN]] },
      { version: 1, observations: [[1, 10, 100, 0, -5]] },
      { version: 1, observations: [[1, 10, 5, 0, 5]] },
      { version: 1, observations: [[1, 10, 1000, 0, 5]] },
      { version: 1, observations: [[1, 10, 100, 3, 5]] },
      { version: 1, observations: [['1', 10, 100, 0, 5]] },
      { version: 1, observations: Array(5000).fill(good) },
    ]
    for (const record of bad) {
      const model = new CostModel()
      expect(model.restore(record)).toBe(false)
      expect(model.isReady).toBe(false)
    }
    expect(new CostModel().restore({ version: 1, observations: [good] })).toBe(true)
  })
})

describe('nonNegativeLeastSquares', () => {
  it('solves exactly what has a solution, and leaves out what would be negative', () => {
    const equations = (f: (a: number, b: number) => number) =>
      [
        [1, 0],
        [0, 1],
        [1, 1],
        [2, 5],
      ].map((x) => ({ x, y: f(x[0] as number, x[1] as number), weight: 1 }))
    const [a, b] = nonNegativeLeastSquares(
      equations((x, y) => 3 * x + 4 * y),
      2,
    )
    expect(a).toBeCloseTo(3, 9)
    expect(b).toBeCloseTo(4, 9)
    const [c, d] = nonNegativeLeastSquares(
      equations((x, y) => 3 * x - y),
      2,
    )
    expect(c).toBeGreaterThanOrEqual(0)
    expect(d).toBe(0)
    // two columns that say the same
    const twins = [1, 2, 3].map((x) => ({ x: [x, 2 * x], y: x, weight: 1 }))
    const [e, f] = nonNegativeLeastSquares(twins, 2) as [number, number]
    expect(e + 2 * f).toBeCloseTo(1, 9)
    expect(nonNegativeLeastSquares([], 2)).toEqual([0, 0])
  })

  it('is no worse than any other choice', () => {
    const number = fc.double({ min: -10, max: 10, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(number, number, number, number), { minLength: 3, maxLength: 10 }),
        fc.tuple(
          fc.double({ min: 0, max: 5, noNaN: true }),
          fc.double({ min: 0, max: 5, noNaN: true }),
        ),
        (rows, [p, q]) => {
          const equations = rows.map(([a, b, y, w]) => ({ x: [a, b], y, weight: Math.abs(w) }))
          const error = (c: readonly number[]) =>
            equations.reduce((sum, { x, y, weight }) => {
              const fit = (x[0] as number) * (c[0] as number) + (x[1] as number) * (c[1] as number)
              return sum + weight * (fit - y) ** 2
            }, 0)
          const best = nonNegativeLeastSquares(equations, 2)
          expect(Math.min(...best)).toBeGreaterThanOrEqual(0)
          expect(error(best)).toBeLessThanOrEqual(error([p, q]) * (1 + 1e-6) + 1e-6)
        },
      ),
    )
  })
})

describe('packedBatches', () => {
  it('packs as the scheduler does', () => {
    const count = (lengths: number[], batchTokens: number, maxTexts?: number) =>
      [...packedBatches(lengths, { batchTokens, ...(maxTexts && { maxTexts }) }, DENSE)].length
    expect(count([], 512)).toBe(0)
    expect(count([9000], 512)).toBe(1)
    expect(count(Array(300).fill(1), 512)).toBe(3)
    expect(count([500, 100, 12, 400], 512)).toBe(2)
    expect(count(Array(10).fill(300), 512)).toBe(10)
    expect(count(Array(10).fill(10), 512, 1)).toBe(10)
    // what does not fit is passed over, but not for ever
    expect(count([300, ...Array(40).fill(300), 10], 512)).toBe(41)
  })
})

describe('calibrate', () => {
  const runner =
    (model: CostModel, machine: Machine, seen: number[][]) =>
    async (lengths: readonly number[]) => {
      // the first is slow, and no measure
      const cold = seen.length === 0 ? 50 : 1
      seen.push([...lengths])
      model.observe({ lengths, outputs: DENSE, computeMs: cold * machine.ms(lengths) })
    }

  it('learns enough in its budget to be right on mixed lengths', async () => {
    const machine = new Machine(0.05)
    const model = new CostModel()
    const seen: number[][] = []
    await calibrate(model, runner(model, machine, seen), {
      outputs: DENSE,
      maxTokens: 8192,
      budgetMs: 4000,
    })
    expect(seen.length).toBeGreaterThanOrEqual(6)
    for (const lengths of [mixed(machine, 200, 500), [2000, 2000], Array(50).fill(12)]) {
      const { seconds } = model.predict(lengths, { batchTokens: 512, outputs: DENSE })
      expect(Math.abs(seconds / trueSeconds(lengths) - 1)).toBeLessThan(0.25)
    }
  })

  it('keeps to its budget on a slow machine, and to the most that fits', async () => {
    const machine = new Machine()
    const model = new CostModel()
    const seen: number[][] = []
    await calibrate(model, runner(model, machine, seen), {
      outputs: DENSE,
      maxTokens: 8192,
      budgetMs: 200,
    })
    expect(seen.flat().every((length) => length <= 128)).toBe(true)
    expect(model.isReady).toBe(true)
    for (const maxTokens of [2, 10, 100]) {
      const few: number[][] = []
      const small = new CostModel()
      await calibrate(small, runner(small, machine, few), { outputs: DENSE, maxTokens })
      expect(Math.max(...few.flat())).toBeLessThanOrEqual(maxTokens)
      expect(small.isReady).toBe(true)
    }
  })

  it('ends by abort and by failure', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborting = async () => {
      controller.abort(reason)
    }
    const options = { outputs: DENSE, maxTokens: 512 }
    const { signal } = controller
    await expect(calibrate(new CostModel(), aborting, { ...options, signal })).rejects.toBe(reason)
    const failing = () => Promise.reject(reason)
    await expect(calibrate(new CostModel(), failing, options)).rejects.toBe(reason)
  })
})

describe('syntheticIds', () => {
  it('frames ids of the vocabulary', () => {
    const ids = syntheticIds(2000, { begin: 0, end: 2, vocabSize: 250_002 })
    expect([ids[0], ids[1999]]).toEqual([0, 2])
    expect(Math.max(...ids)).toBeLessThan(250_002)
    expect(Math.min(...ids)).toBeGreaterThanOrEqual(0)
    expect(new Set(ids).size).toBeGreaterThan(1900)
    expect([...syntheticIds(2, { begin: 0, end: 2, vocabSize: 10 })]).toEqual([0, 2])
  })
})
