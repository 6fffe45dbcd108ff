/**
 * How fast batches are on this machine, learnt from those that ran: milliseconds per unit of work for
 * each length class (batches of about 2^k tokens), and by how much all are slower of late.
 */
import { Output } from '../../native/addon.js'

interface Batch {
  lengths: Iterable<number>
  outputs: number
  computeMs: number
}

interface Rate {
  /** Milliseconds per unit of work, at level 1. */
  value: number
  first: number[]
}

/** A class begins with the median of so many batches: one may have been held up, or was cold. */
const FIRST = 3
/** What a batch says of its class, and what of the machine: exponents of how much it was off. */
const OWN = 0.05
const SHARED = 0.2
/** A batch that stood still for longer says no more than this. */
const MOST_OFF = 1.5

export class Rates {
  /** Attention per pair of tokens over the layers' products per token, as measured on stand-ins. */
  readonly #pair: number
  /** By class, without ColBERT and with it; what sparse costs is next to nothing. */
  readonly #classes = [new Map<number, Rate>(), new Map<number, Rate>()] as const
  #level = 1

  /** @param dim width of the model */
  constructor(dim: number) {
    this.#pair = 1 / (4 * dim)
  }

  /** A batch ran: tokens of each text, sum of `Output` bits, time. */
  readonly observe = ({ lengths, outputs, computeMs }: Batch): void => {
    if (!(computeMs > 0)) return
    const now = computeMs / this.#work(lengths) / this.#level
    const classes = this.#of(outputs)
    const key = Math.round(sizeOf(lengths))
    const rate = classes.get(key)
    if (rate === undefined) classes.set(key, { value: now, first: [now] })
    else if (rate.first.length < FIRST) {
      rate.first = [...rate.first, now].sort((a, b) => a - b)
      rate.value = rate.first[(rate.first.length - 1) >> 1] as number
    } else {
      const off = Math.min(Math.max(now / rate.value, 1 / MOST_OFF), MOST_OFF)
      rate.value *= off ** OWN
      this.#level *= off ** SHARED
    }
  }

  /** Whether for each batch one of its class ran, or of the next class. */
  covers(batches: readonly (readonly number[])[], outputs: number): boolean {
    const known = [...this.#of(outputs).keys()]
    return batches.every((lengths) => known.some((k) => Math.abs(k - sizeOf(lengths)) < 1.5))
  }

  /** Milliseconds that batches will take; between classes it is interpolated. NaN where none ran. */
  predict(batches: readonly (readonly number[])[], outputs: number): number {
    const classes = [...this.#of(outputs)].sort(([a], [b]) => a - b)
    const rateAt = (size: number): number => {
      const above = classes.find(([k]) => k >= size) ?? classes.at(-1)
      const below = classes.findLast(([k]) => k <= size) ?? above
      if (above === undefined || below === undefined) return Number.NaN
      const part = above === below ? 0 : (size - below[0]) / (above[0] - below[0])
      return below[1].value ** (1 - part) * above[1].value ** part
    }
    return this.#level * sum(batches.map((batch) => this.#work(batch) * rateAt(sizeOf(batch))))
  }

  #of(outputs: number): Map<number, Rate> {
    return this.#classes[outputs & Output.colbert ? 1 : 0]
  }

  #work(lengths: Iterable<number>): number {
    let work = 0
    for (const length of lengths) work += length + this.#pair * length * length
    return work
  }
}

/** The class, before it is rounded. */
function sizeOf(lengths: Iterable<number>): number {
  return Math.log2(sum(lengths))
}

export function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
