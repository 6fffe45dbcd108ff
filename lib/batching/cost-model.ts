/**
 * How long batches take on this machine, learnt from those that ran.
 *
 * The **shape** — what a batch, a token, a pair of tokens costs — is fitted to the last observations of
 * every kind of batch seen (a kind: its tokens, its texts' length, whether ColBERT was asked, in steps
 * of two). So a long run of one kind does not make the model forget the others, which a plain
 * recursive fit with forgetting would. The **level** follows the last batches: other programs come
 * and go, and slow all kinds alike.
 */
import { InvalidInputError } from '../errors.js'
import {
  countBatches,
  FEATURES,
  type Features,
  featuresOf,
  type PackingOptions,
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
const PER_KIND = 12
/** Batches that say how fast the machine is now. */
const RECENT = 24
/** Relative errors beyond this count linearly: a batch that others held up is no measure. */
const HUBER = 0.15
const ROUNDS = 8
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
  #fitted: readonly number[] | undefined

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
    if (this.#recent.length > RECENT) this.#recent.shift()
  }

  /** Begins anew. */
  forget(): void {
    this.#kinds.clear()
    this.#recent = []
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
    const batches = countBatches(lengths, options)
    const features = featuresOf(lengths, options.outputs, batches)
    return { seconds: (this.#level() * dot(this.#shape(), features)) / 1000, batches }
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

  /** Milliseconds per unit of each feature. */
  #shape(): readonly number[] {
    this.#fitted ??= this.#fit()
    return this.#fitted
  }

  /**
   * Relative errors are minimised, so that short batches count as much as long ones; each kind weighs
   * the same. Iteratively reweighted, so that outliers lose their say.
   */
  #fit(): number[] {
    const observations = [...this.#kinds.values()].flatMap((list) =>
      list.map((observation) => ({ ...observation, weight: 1 / list.length })),
    )
    let coefficients: number[] = []
    let weights = observations.map(({ weight }) => weight)
    for (let round = 0; round < ROUNDS; round++) {
      const equations = observations.map(
        ({ features, ms }, i): Equation => ({
          x: features.map((value) => value / ms),
          y: 1,
          weight: weights[i] as number,
        }),
      )
      const perToken = typicalPerToken(observations)
      equations.push(...this.#prior(coefficients[1] || perToken, perToken))
      coefficients = nonNegativeLeastSquares(equations, FEATURES)
      weights = observations.map(({ features, ms, weight }) => {
        const error = Math.abs(dot(coefficients, features) / ms - 1)
        return error <= HUBER ? weight : (weight * HUBER) / error
      })
    }
    return coefficients
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

  /** How much slower than the fit the last batches were. */
  #level(): number {
    if (this.#recent.length === 0) return 1
    const shape = this.#shape()
    const ratios = this.#recent.map(({ features, ms }) => ms / dot(shape, features))
    const middle = median(ratios)
    let actual = 0
    let expected = 0
    this.#recent.forEach(({ features, ms }, i) => {
      // one batch that stood still says nothing of the next
      if ((ratios[i] as number) > 3 * middle) return
      actual += ms
      expected += dot(shape, features)
    })
    return Math.min(Math.max(actual / expected, LEAST_LEVEL), 1 / LEAST_LEVEL)
  }
}

function kindOf([, tokens, squares, colbert]: Features): string {
  const step = (value: number) => Math.round(Math.log2(Math.max(1, value)))
  return `${step(tokens)} ${step(squares / tokens)} ${colbert > 0}`
}

function dot(coefficients: readonly number[], features: Features): number {
  let sum = 0
  for (let i = 0; i < FEATURES; i++) sum += (coefficients[i] as number) * (features[i] as number)
  return Math.max(sum, 1e-6)
}

function typicalPerToken(observations: readonly Observation[]): number {
  return median(observations.map(({ features, ms }) => ms / features[1]))
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
