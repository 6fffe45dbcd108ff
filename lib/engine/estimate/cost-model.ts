/**
 * How long batches take on this machine, learnt from those that ran.
 *
 * The **shape** — what a batch, a token, a pair of tokens costs — is fitted to the last observations of
 * every kind of batch seen (a kind: its tokens, its texts' length, whether ColBERT was asked, in steps
 * of two). So a long run of one kind does not make the model forget the others, which a plain
 * recursive fit with forgetting would. Where the sum of features does not tell the truth of a kind
 * (caches overflow) that kind's own **factor** does, as far as it was seen. The **level** follows the
 * last batches: other programs come and go, and slow all kinds alike.
 */
import { InvalidInputError } from '../../common/errors.js'
import {
  FEATURES,
  type Features,
  featuresOf,
  type PackingOptions,
  packedBatches,
} from './cost-features.js'
import { type Equation, nonNegativeLeastSquares } from './least-squares.js'

export interface BatchObservation {
  /** Tokens of each text. */
  lengths: ArrayLike<number>
  /** Sum of `Output` bits. */
  outputs: number
  computeMs: number
}

export interface PredictOptions extends PackingOptions {
  /** Sum of `Output` bits. */
  outputs: number
}

export interface Prediction {
  seconds: number
  batches: number
}

interface Fit {
  /** Milliseconds per unit of each feature. */
  shape: readonly number[]
  /** By kind. */
  factors: ReadonlyMap<string, number>
}

interface Observation {
  features: Features
  ms: number
}

/** What was learnt, for another process. */
export interface CostRecord {
  version: 1
  /** Per observation its features and its milliseconds. */
  observations: number[][]
}

/** Observations kept of each kind of batch. */
const PER_KIND = 24
/** Batches that say how fast the machine is now: of the last seconds, but not too few, nor too many. */
const RECENT = { ms: 10_000, least: 24, most: 256 }
/** Off by more than this part of what was expected, a batch counts less: something held it up. */
const ORDINARY = 0.2
/** Observations of a kind after which its factor is half believed: one or two may be accidents. */
const HALF_BELIEVED = 4
/** No kind is off the sum of its features by more. */
const MOST_FACTOR = 1.5
const ROUNDS = 4
/** No fraction of its speed that a machine can have is below this, or above its inverse. */
const LEAST_LEVEL = 0.2
/** How little is believed without evidence; an observation weighs 1. */
const PRIOR = 0.003
const MAX_RECORDS = 4096

export class CostModel {
  /**
   * Attention per pair of tokens over the layers' products per token, where no observation tells them
   * apart: 4d of 24d^2 multiplications a layer, at about half the speed.
   */
  readonly #attention: number
  readonly #kinds = new Map<string, Observation[]>()
  #recent: Observation[] = []
  #recentMs = 0
  #fitted: Fit | undefined

  /** @param dim width of the model */
  constructor({ dim = 1024 }: { dim?: number } = {}) {
    this.#attention = 2 / (6 * dim)
  }

  /** Whether anything was observed: without that there is nothing to predict from. */
  get isReady(): boolean {
    return this.#kinds.size > 0
  }

  /** A batch ran. */
  observe({ lengths, outputs, computeMs }: BatchObservation): void {
    if (lengths.length === 0 || !Number.isFinite(computeMs) || computeMs <= 0) return
    const observation = { features: featuresOf(lengths, outputs), ms: computeMs }
    this.#keep(observation)
    this.#recent.push(observation)
    this.#recentMs += computeMs
    const { ms, least, most } = RECENT
    while (this.#recent.length > (this.#recentMs > ms ? least : most)) {
      this.#recentMs -= (this.#recent.shift() as Observation).ms
    }
  }

  /** Begins anew. */
  forget(): void {
    this.#kinds.clear()
    this.#recent = []
    this.#recentMs = 0
    this.#fitted = undefined
  }

  /**
   * Seconds of compute and number of batches for texts of these lengths in one call.
   *
   * @throws InvalidInputError before anything was observed
   */
  predict(lengths: ArrayLike<number>, options: PredictOptions): Prediction {
    if (!this.isReady) {
      throw new InvalidInputError('Nothing is known of this machine’s speed yet: calibrate first.')
    }
    if (lengths.length === 0) return { seconds: 0, batches: 0 }
    let ms = 0
    let batches = 0
    for (const features of packedBatches(lengths, options, options.outputs)) {
      ms += this.#expected(features)
      batches++
    }
    return { seconds: (this.#level() * ms) / 1000, batches }
  }

  toJSON(): CostRecord {
    const all = [...this.#kinds.values()].flat()
    return {
      version: 1,
      observations: all.map(({ features, ms }) => [...features, rounded(ms)]),
    }
  }

  /** Takes over what another process learnt; ignores what is no such record. @returns whether it was one */
  restore(record: unknown): boolean {
    const { version, observations } = Object(record) as Partial<CostRecord>
    if (version !== 1 || !Array.isArray(observations) || observations.length > MAX_RECORDS)
      return false
    if (!observations.every(isObservation)) return false
    for (const numbers of observations) {
      const ms = numbers[FEATURES] as number
      this.#keep({ features: numbers.slice(0, FEATURES) as unknown as Features, ms })
    }
    return true
  }

  #keep(observation: Observation): void {
    const key = kindOf(observation.features)
    const list = this.#kinds.get(key) ?? []
    list.push(observation)
    if (list.length > PER_KIND) list.shift()
    this.#kinds.set(key, list)
    this.#fitted = undefined
  }

  /** Milliseconds of a batch at the usual level. */
  #expected(features: Features): number {
    this.#fitted ??= this.#fit()
    const { shape, factors } = this.#fitted
    return dot(shape, features) * (factors.get(kindOf(features)) ?? 1)
  }

  /**
   * Relative errors are minimised, so that short batches count as much as long ones; each kind weighs
   * the same. Reweighted in rounds, so that outliers lose their say.
   */
  #fit(): Fit {
    const kinds = [...this.#kinds]
    const perToken = median(kinds.map(([, list]) => median(list.map(rateOf))))
    let fit: Fit | undefined
    for (let round = 0; round < ROUNDS; round++) {
      const equations = kinds.flatMap(([kind, list]) =>
        list.map((observation) => equationOf(observation, kind, list.length, fit)),
      )
      equations.push(...this.#prior(fit?.shape[1] || perToken, perToken))
      const shape = nonNegativeLeastSquares(equations, FEATURES)
      const factors = kinds.map(([kind, list]) => {
        const ratio = median(list.map(({ features, ms }) => ms / dot(shape, features)))
        const seen = Math.min(Math.max(ratio, 1 / MOST_FACTOR), MOST_FACTOR)
        return [kind, seen ** (list.length / (list.length + HALF_BELIEVED))] as const
      })
      fit = { shape, factors: new Map(factors) }
    }
    return fit as Fit
  }

  /** What holds where observations are silent: batches cost little, pairs what the arithmetic says. */
  #prior(perToken: number, typical: number): Equation[] {
    const pair = this.#attention * perToken
    return [
      { x: [1 / (64 * typical), 0, 0, 0], y: 0, weight: PRIOR },
      { x: [0, 0, 1 / pair, 0], y: 1, weight: PRIOR },
      { x: [0, 0, 0, 1 / (0.1 * typical)], y: 1, weight: PRIOR },
    ]
  }

  /** How much slower than expected the last batches were. */
  #level(): number {
    if (this.#recent.length === 0) return 1
    const expected = this.#recent.map(({ features }) => this.#expected(features))
    const ratios = this.#recent.map(({ ms }, i) => ms / (expected[i] as number))
    const usual = median(ratios)
    let actualSum = 0
    let expectedSum = 0
    this.#recent.forEach(({ ms }, i) => {
      // one batch that stood still says nothing of the next
      if ((ratios[i] as number) > 2 * usual) return
      actualSum += ms
      expectedSum += expected[i] as number
    })
    return Math.min(Math.max(actualSum / expectedSum, LEAST_LEVEL), 1 / LEAST_LEVEL)
  }
}

/** The relative error of an observation, as an equation; `before` says how ordinary it is. */
function equationOf(
  { features, ms }: Observation,
  kind: string,
  ofItsKind: number,
  before: Fit | undefined,
): Equation {
  const expected = before ? dot(before.shape, features) * (before.factors.get(kind) ?? 1) : ms
  const off = Math.abs(ms / expected - 1)
  return {
    x: features.map((value) => value / ms),
    y: 1,
    weight: (off <= ORDINARY ? 1 : ORDINARY / off) / ofItsKind,
  }
}

const rateOf = ({ features, ms }: Observation) => ms / features[1]

function kindOf([, tokens, squares, colbert]: Features): string {
  const step = (value: number) => Math.round(Math.log2(Math.max(1, value)))
  return `${step(tokens)} ${step(squares / tokens)} ${colbert > 0}`
}

function dot(coefficients: readonly number[], features: Features): number {
  let sum = 0
  for (let i = 0; i < FEATURES; i++) sum += (coefficients[i] as number) * (features[i] as number)
  return Math.max(sum, 1e-6)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

function isObservation(value: unknown): value is number[] {
  if (!Array.isArray(value) || value.length !== FEATURES + 1) return false
  const isGood = value.every((x) => typeof x === 'number' && Number.isFinite(x) && x >= 0)
  const [batches, tokens, squares, colbert, ms] = value as number[] as [
    number,
    number,
    number,
    number,
    number,
  ]
  return (
    isGood &&
    batches === 1 &&
    tokens >= 1 &&
    squares >= tokens &&
    squares <= tokens * tokens &&
    (colbert === 0 || colbert === tokens) &&
    ms > 0
  )
}

const rounded = (value: number) => Number(value.toPrecision(6))
