/** Seeded vectors that look like embeddings, and ways to break them. */
import { seededRandom } from '../../lib/scoring/random.js'

export type Random = () => number

export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/**
 * `make(count)` draws unit vectors of one "model": a common mean, some directions with falling variance,
 * and noise in all others, as embeddings have.
 */
export function modelOf(seed: number, dimensions: number, topics = 24) {
  const random = seededRandom(seed)
  const draw = (size: number) =>
    Float64Array.from(
      { length: dimensions },
      () => (gaussian(random) / Math.sqrt(dimensions)) * size,
    )
  const mean = draw(0.6)
  const axes = Array.from({ length: topics }, (_, i) => draw(1 / (1 + i / 6)))
  return (count: number, sampleSeed = seed + 1): Float32Array[] => {
    const next = seededRandom(sampleSeed)
    return Array.from({ length: count }, () => {
      const sum = Float64Array.from(
        mean,
        (value) => value + (gaussian(next) * 0.4) / Math.sqrt(dimensions),
      )
      for (const axis of axes) {
        const weight = gaussian(next) * 0.6
        for (let t = 0; t < dimensions; t++)
          sum[t] = (sum[t] as number) + weight * (axis[t] as number)
      }
      return unit(sum)
    })
  }
}

export function unit(values: ArrayLike<number>): Float32Array {
  let squares = 0
  for (let t = 0; t < values.length; t++) squares += (values[t] as number) ** 2
  return Float32Array.from(values as ArrayLike<number>, (value) => value / Math.sqrt(squares))
}

export function shuffle<T>(list: readonly T[], random: Random): T[] {
  const out = [...list]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[out[i], out[j]] = [out[j] as T, out[i] as T]
  }
  return out
}

/** The nine ways of issue 8. `foreign` gives vectors of another model. */
export const ANOMALIES = [
  'nan',
  'infinity',
  'zero',
  'scaled',
  'shuffled dimensions',
  'constant',
  'truncated',
  'swapped rows',
  'another model',
] as const

export type Anomaly = (typeof ANOMALIES)[number]

/**
 * A copy of `clean` with `count` rows broken in one way.
 *
 * @returns the vectors and the rows that are broken
 */
export function inject(
  clean: readonly Float32Array[],
  kind: Anomaly,
  count: number,
  foreign: readonly Float32Array[],
  random: Random,
): { vectors: Float32Array[]; broken: Set<number> } {
  const rows = shuffle(
    clean.map((_, i) => i),
    random,
  ).slice(0, count)
  const vectors = [...clean]
  rows.forEach((row, i) => {
    const partner = rows[(i + 1) % rows.length] as number
    const original = clean[row] as Float32Array
    vectors[row] =
      kind === 'swapped rows'
        ? (clean[partner] as Float32Array).slice()
        : kind === 'another model'
          ? (foreign[i % foreign.length] as Float32Array)
          : broken(original, kind, random)
  })
  return { vectors, broken: new Set(rows) }
}

function broken(original: Float32Array, kind: Anomaly, random: Random): Float32Array {
  const copy = original.slice()
  const at = Math.floor(random() * copy.length)
  switch (kind) {
    case 'nan':
      copy[at] = Number.NaN
      return copy
    case 'infinity':
      copy[at] = random() < 0.5 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
      return copy
    case 'zero':
      return copy.fill(0)
    case 'scaled': {
      // at least one per cent up or down
      const factor = 1.01 * (1 + random() * 3)
      const scale = random() < 0.5 ? factor : 1 / factor
      return copy.map((value) => value * scale)
    }
    case 'constant':
      return copy.fill((random() < 0.5 ? -1 : 1) / Math.sqrt(copy.length))
    case 'shuffled dimensions':
      return Float32Array.from(shuffle([...copy], random))
    case 'truncated':
      // shorter, or with its end missing; of unit length again, or the norm would tell
      if (random() < 0.5) return unit(copy.slice(0, at))
      return unit(copy.fill(0, Math.max(1, Math.min(at, copy.length - 4))))
    default:
      return copy
  }
}
