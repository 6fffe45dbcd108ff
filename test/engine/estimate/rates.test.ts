import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { calibrate } from '../../../lib/engine/estimate/calibrate.js'
import { packed } from '../../../lib/engine/estimate/estimate.js'
import { Rates } from '../../../lib/engine/estimate/rates.js'
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
    let exact = 3
    for (const n of lengths) exact += 0.95 * n + 2.6e-4 * n * n + (outputs & 4 ? 0.12 * n : 0)
    return exact * this.slow * (1 + this.noise * (2 * this.random() - 1))
  }
}

/** Batches of texts in their order, no looking ahead. */
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

function observeAll(rates: Rates, machine: Machine, batches: number[][], outputs = DENSE): void {
  for (const lengths of batches) {
    rates.observe({ lengths, outputs, computeMs: machine.ms(lengths, outputs) })
  }
}

const mixed = (machine: Machine, count: number, most: number) =>
  Array.from({ length: count }, () => Math.ceil(8 + (most - 8) * machine.random() ** 2))

const PACKING = { batchTokens: 512, maxTexts: 128 }
const predict = (rates: Rates, lengths: number[], outputs = DENSE) =>
  rates.predict(packed(lengths, PACKING), outputs)

function trueMs(lengths: number[], outputs = DENSE): number {
  const machine = new Machine()
  return batchesOf(lengths).reduce((sum, batch) => sum + machine.ms(batch, outputs), 0)
}

const MIXED = batchesOf(mixed(new Machine(), 40, 1000))

describe('Rates', () => {
  it('learn a machine from a mixed run, and predict other lengths within 25 %', () => {
    const machine = new Machine()
    const rates = new Rates(1024)
    observeAll(rates, machine, batchesOf(mixed(machine, 200, 1000)))
    for (const lengths of [[64], [512], [4000], [8192], mixed(machine, 500, 300)]) {
      const ratio = predict(rates, lengths) / trueMs(lengths)
      expect(ratio).toBeGreaterThan(0.85)
      expect(ratio).toBeLessThan(1.15)
    }
  })

  it('are right within 25 % after a short run with noise and outliers', () => {
    const ratios: number[] = []
    const far: number[] = []
    for (let seed = 0; seed < 100; seed++) {
      const machine = new Machine(0.15)
      for (let i = 0; i < seed * 100; i++) machine.random()
      const rates = new Rates(1024)
      batchesOf(mixed(machine, 60, 500)).forEach((lengths, i) => {
        const held = i % 10 === 3 ? 4 : 1
        rates.observe({ lengths, outputs: DENSE, computeMs: held * machine.ms(lengths) })
      })
      for (const lengths of [mixed(machine, 300, 600), mixed(machine, 50, 60), [512, 512, 512]]) {
        ratios.push(predict(rates, lengths) / trueMs(lengths))
      }
      // six times as long as anything that ran
      far.push(predict(rates, [3000]) / trueMs([3000]))
    }
    ratios.sort((a, b) => a - b)
    far.sort((a, b) => a - b)
    expect(far[5]).toBeGreaterThan(0.68)
    expect(far[94]).toBeLessThan(1.32)
    expect(ratios[0]).toBeGreaterThan(0.75)
    // a class that was seen once or twice, and held up
    expect(ratios[297]).toBeLessThan(1.25)
    expect(ratios[299]).toBeLessThan(1.5)
  })

  it('do not forget other classes in a long run of one', () => {
    const machine = new Machine(0.05)
    const rates = new Rates(1024)
    observeAll(rates, machine, [[16], [128], [512], [1024], ...batchesOf(Array(60).fill(20))])
    observeAll(rates, machine, Array(5000).fill([500]))
    for (const lengths of [[16], [16, 16, 16, 16], [1024], Array(100).fill(100)]) {
      expect(Math.abs(predict(rates, lengths) / trueMs(lengths) - 1)).toBeLessThan(0.15)
    }
  })

  it('say something sensible of what never ran', () => {
    const machine = new Machine()
    const rates = new Rates(1024)
    observeAll(rates, machine, Array(20).fill([256, 256]))
    for (const lengths of [[100], [1000], [4000], Array(20).fill(50)]) {
      const ratio = predict(rates, lengths) / trueMs(lengths)
      expect(ratio).toBeGreaterThan(0.75)
      expect(ratio).toBeLessThan(1.25)
    }
    expect(rates.covers([[256], [1000]], DENSE)).toBe(true)
    for (const far of [[100], [1500]]) expect(rates.covers([[512], far], DENSE)).toBe(false)
    expect(rates.covers([[512]], COLBERT)).toBe(false)
    expect(rates.predict([[512]], COLBERT)).toBeNaN()
    expect(rates.predict([], COLBERT)).toBe(0)
  })

  it.each([
    ['all classes', () => batchesOf(mixed(new Machine(), 80, 400)), 0.2],
    ['one class alone', () => Array(40).fill([500]) as number[][], 0.25],
  ])('follow a machine that becomes slower, and faster again: %s run', (_, run, off) => {
    const machine = new Machine(0.05)
    const rates = new Rates(1024)
    const lengths = mixed(machine, 200, 400)
    observeAll(rates, machine, batchesOf(lengths))
    for (const slow of [2, 1]) {
      machine.slow = slow
      observeAll(rates, machine, run())
      for (const asked of [lengths, [100], [16, 16, 16]]) {
        expect(Math.abs(predict(rates, asked) / (slow * trueMs(asked)) - 1)).toBeLessThan(off)
      }
    }
  })

  it('know that ColBERT costs more', () => {
    const machine = new Machine(0.02)
    const rates = new Rates(1024)
    observeAll(rates, machine, batchesOf(mixed(machine, 100, 400)))
    observeAll(rates, machine, batchesOf(mixed(machine, 100, 400)), COLBERT)
    const lengths = mixed(machine, 100, 300)
    const ratio = predict(rates, lengths, COLBERT) / predict(rates, lengths)
    expect(ratio).toBeCloseTo(trueMs(lengths, COLBERT) / trueMs(lengths), 1)
  })

  it('predict nothing below zero, whatever was observed', () => {
    const lengths = fc.array(fc.integer({ min: 2, max: 8192 }), { minLength: 1, maxLength: 8 })
    const computeMs = fc.double({ min: 1e-3, max: 1e5, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(fc.record({ lengths, computeMs }), { minLength: 1, maxLength: 30 }),
        lengths,
        (batches, asked) => {
          const rates = new Rates(1024)
          for (const batch of batches) rates.observe({ ...batch, outputs: DENSE })
          const ms = predict(rates, asked)
          expect(ms).toBeGreaterThan(0)
          expect(Number.isFinite(ms)).toBe(true)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('ignore what is no measurement', () => {
    const rates = new Rates(1024)
    for (const computeMs of [0, -1, Number.NaN]) {
      rates.observe({ lengths: Uint32Array.of(10), outputs: DENSE, computeMs })
    }
    expect(rates.covers([[10]], DENSE)).toBe(false)
  })
})

describe('calibrate', () => {
  const options = { outputs: DENSE, maxTokens: 8192 }

  /** Runs batches on a machine; the first is slow, and no measure. */
  function runner(rates: Rates, machine: Machine, seen: number[][]) {
    return async (lengths: readonly number[]) => {
      const cold = seen.length === 0 ? 50 : 1
      seen.push([...lengths])
      rates.observe({ lengths, outputs: DENSE, computeMs: cold * machine.ms(lengths) })
    }
  }

  it('learns enough in its budget to be right on mixed lengths', async () => {
    const machine = new Machine(0.05)
    const rates = new Rates(1024)
    const seen: number[][] = []
    await calibrate(rates, runner(rates, machine, seen), { ...options, budgetMs: 4000 })
    expect(seen.length).toBeGreaterThanOrEqual(6)
    for (const lengths of [mixed(machine, 200, 500), [2000, 2000], Array(50).fill(12)]) {
      expect(Math.abs(predict(rates, lengths) / trueMs(lengths) - 1)).toBeLessThan(0.25)
    }
  })

  it('keeps to its budget on a slow machine, and to the most that fits', async () => {
    const machine = new Machine()
    const rates = new Rates(1024)
    const seen: number[][] = []
    await calibrate(rates, runner(rates, machine, seen), { ...options, budgetMs: 200 })
    expect(seen.flat().every((length) => length <= 128)).toBe(true)
    for (const maxTokens of [2, 10, 100]) {
      const few: number[][] = []
      const small = new Rates(1024)
      await calibrate(small, runner(small, machine, few), { ...options, maxTokens })
      expect(Math.max(...few.flat())).toBeLessThanOrEqual(maxTokens)
      expect(few.length).toBeGreaterThan(2)
    }
  })

  it('measures only what did not run', async () => {
    const machine = new Machine()
    const rates = new Rates(1024)
    observeAll(rates, machine, MIXED)
    const seen: number[][] = []
    await calibrate(rates, runner(rates, machine, seen), options)
    expect(seen.flat()).not.toContain(512)
    const again: number[][] = []
    await calibrate(rates, runner(rates, machine, again), options)
    expect(again).toEqual([])
  })

  it('ends by abort and by failure', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborting = async () => {
      controller.abort(reason)
    }
    const { signal } = controller
    await expect(calibrate(new Rates(8), aborting, { ...options, signal })).rejects.toBe(reason)
    const failing = () => Promise.reject(reason)
    await expect(calibrate(new Rates(8), failing, options)).rejects.toBe(reason)
  })
})
