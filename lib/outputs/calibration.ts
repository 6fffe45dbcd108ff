/** Where a model's vectors lie, learned from a sample of them: what bits and calibrated bytes are measured from. */

import { InvalidInputError } from '../common/errors.js'
import { isTyped } from '../common/realms.js'
import type { Calibration } from '../common/types.js'

const { fround } = Math

/**
 * What `embed(text, { calibration })` takes, from dense vectors in float32 that were made with the same model, prompt,
 * `dimensions` and `normalize`. A thousand are plenty. Calibrate what is searched and the queries each by their own
 * vectors, if the model has prompts for them: they lean differently.
 *
 * - `means`, per dimension: `binary` has a bit where a component is above its mean and not above 0. Vectors of many
 *   models all lean one way, so that a sign says little there.
 * - `lows`, `highs`, per dimension: `int8` becomes sentence-transformers' (`quantize_embeddings` with `ranges`).
 *
 * The result is plain numbers: keep it as JSON beside the vectors, which are of no use without it.
 *
 * @throws InvalidInputError when there are no vectors, they differ in length, or a component is not finite
 * @example
 * const sample = await m3.embed(texts.slice(0, 1000))
 * const calibration = calibrate(sample.map(({ dense }) => dense))
 * const { dense } = await m3.embed('a text', { precision: 'binary', calibration })
 */
export function calibrate(vectors: readonly Float32Array[]): Calibration {
  // `every` would pass over the holes of a sparse array
  if (!Array.isArray(vectors) || vectors.length === 0 || !Array.from(vectors).every(isVector)) {
    throw new InvalidInputError('calibrate needs dense vectors in float32, at least one.')
  }
  const first = vectors[0] as Float32Array
  const cols = first.length
  const sums = new Float64Array(cols)
  const lows = Array.from(first)
  const highs = Array.from(first)
  for (const vector of vectors as Float32Array[]) {
    if (vector.length !== cols) {
      throw new InvalidInputError(`Vectors of ${cols} and ${vector.length} dimensions are no set.`)
    }
    for (let i = 0; i < cols; i++) {
      const value = vector[i] as number
      if (!Number.isFinite(value)) {
        throw new InvalidInputError(`Component ${i} of a vector is not a finite number.`)
      }
      sums[i] = (sums[i] as number) + value
      if (value < (lows[i] as number)) lows[i] = value
      if (value > (highs[i] as number)) highs[i] = value
    }
  }
  // bits compare float32 with float32
  const means = Array.from(sums, (sum) => fround(sum / vectors.length))
  return { means, lows, highs }
}

const isVector = (value: unknown) => isTyped(value, 'Float32Array') && value.length > 0

const LISTS = ['means', 'lows', 'highs'] as const

/** @throws InvalidInputError for what `calibrate` does not give */
export function checkCalibration(given: unknown): asserts given is Calibration {
  const { means, lows, highs } = (given ?? {}) as Partial<Calibration>
  const lists = [means, lows, highs]
  const isSound = lists.every(
    (list) =>
      Array.isArray(list) &&
      list.length > 0 &&
      list.length === means?.length &&
      list.every((value) => Number.isFinite(value)),
  )
  if (isSound && lows?.every((low, i) => low <= (highs?.[i] as number))) return
  throw new InvalidInputError(
    `The option \`calibration\` must be what calibrate() gives: ${LISTS.join(', ')}, as many numbers each.`,
  )
}

/**
 * int8 as sentence-transformers' `quantize_embeddings(precision='int8', ranges=...)`: 255 steps between a dimension's
 * ends, rounded down, from -128, all of it in float32. What lies outside the range is put at its end, where that wraps around.
 *
 * @throws InvalidInputError for NaN or infinity
 */
export function toCalibratedInt8(values: Float32Array, { lows, highs }: Calibration): Int8Array {
  const data = new Int8Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (!Number.isFinite(value)) {
      throw new InvalidInputError(`Component ${i} is not a finite number: int8 cannot hold it.`)
    }
    const low = lows[i] as number
    const step = fround(fround((highs[i] as number) - low) / 255)
    // a dimension that is the same everywhere tells nothing
    const place = step > 0 ? fround(fround(fround(value - low) / step) - 128) : 0
    data[i] = Math.max(-128, Math.min(127, Math.floor(place)))
  }
  return data
}
