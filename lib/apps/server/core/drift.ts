/**
 * Whether answers still look like they did: reference texts, embedded at the start and again now and
 * then, must keep their norms and directions; and the similarity of what clients send to the nearest
 * reference tells when the traffic, or the model behind it, has become another.
 */

import { readFile } from 'node:fs/promises'
import { InvalidInputError } from '../../../common/errors.js'
import { decodeUtf8 } from '../../../common/utf8.js'
import { dot } from '../../../scoring/dense.js'
import { REFERENCE_TEXTS } from './reference-texts.js'
import type { ServedEmbedder } from './served.js'

const MAX_REFERENCES = 256
/** Answers whose mean similarity later ones are held against. */
const BASELINE_SAMPLES = 200
/** Weight of a new sample in the recent mean: about the last hundred count. */
const RECENT_WEIGHT = 0.01

export interface DriftReadings {
  /** Mean length of the references' vectors, as the model gives them, over that at the start. */
  normRatio: number
  /** The smallest cosine of a reference's vector with what it was at the start; 1 is unchanged. */
  referenceCosine: number
  checks: number
  /** Means of the similarity of answers to the nearest reference; NaN before there are any. */
  baseline: number
  recent: number
}

interface Reference {
  /** Of length 1. */
  direction: Float32Array
  norm: number
}

export class Drift {
  readonly #file: string | undefined
  #texts: string[] = []
  #start: Reference[] = []
  #isDue = false
  #samples = 0
  #readings: DriftReadings = {
    normRatio: 1,
    referenceCosine: 1,
    checks: 0,
    baseline: Number.NaN,
    recent: Number.NaN,
  }

  /** @param file texts, one a line; `undefined` for the built-in ones */
  constructor(file: string | undefined) {
    this.#file = file
  }

  get readings(): Readonly<DriftReadings> {
    return this.#readings
  }

  /**
   * Embeds the references for the first time.
   *
   * @throws InvalidInputError when the file cannot be read, or holds no text or too many
   */
  async begin(embedder: ServedEmbedder): Promise<void> {
    this.#texts = this.#file === undefined ? [...REFERENCE_TEXTS] : await readTexts(this.#file)
    this.#start = await this.#embed(embedder)
  }

  /** Embeds the references again, unless nothing was answered since the last time. */
  async check(embedder: ServedEmbedder): Promise<void> {
    if (!this.#isDue || this.#start.length === 0) return
    this.#isDue = false
    const now = await this.#embed(embedder)
    const norm = (references: readonly Reference[]) =>
      references.reduce((sum, reference) => sum + reference.norm, 0)
    const cosines = now.map(({ direction }, i) =>
      dot(direction, (this.#start[i] as Reference).direction),
    )
    this.#readings = {
      ...this.#readings,
      normRatio: norm(now) / norm(this.#start),
      referenceCosine: Math.min(...cosines),
      checks: this.#readings.checks + 1,
    }
  }

  /**
   * Takes an answer's dense vector into account: full width, of length 1.
   *
   * @returns its similarity to the nearest reference; `undefined` when it does not compare
   */
  sample(dense: Float32Array): number | undefined {
    this.#isDue = true
    if (dense.length !== this.#start[0]?.direction.length) return undefined
    let nearest = -1
    for (const { direction } of this.#start) nearest = Math.max(nearest, dot(dense, direction))
    const { baseline, recent } = this.#readings
    const count = ++this.#samples
    if (count === 1) {
      this.#readings.baseline = nearest
      this.#readings.recent = nearest
      return nearest
    }
    if (count <= BASELINE_SAMPLES) this.#readings.baseline = baseline + (nearest - baseline) / count
    this.#readings.recent = recent + (nearest - recent) * Math.max(RECENT_WEIGHT, 1 / count)
    return nearest
  }

  async #embed(embedder: ServedEmbedder): Promise<Reference[]> {
    const embeddings = await embedder.embed(this.#texts, {
      outputs: { dense: true },
      normalize: false,
      precision: 'float32',
      truncate: 'end',
      priority: 'bulk',
      // what the model gives now is asked
      cache: false,
    })
    return embeddings.map(({ dense = new Float32Array() }) => {
      const norm = Math.sqrt(dot(dense, dense))
      return { direction: norm > 0 ? dense.map((value) => value / norm) : dense, norm }
    })
  }
}

async function readTexts(file: string): Promise<string[]> {
  const bytes = await readFile(file).catch((cause) => {
    throw new InvalidInputError(`The reference file ${file} cannot be read.`, { cause })
  })
  const texts = decodeUtf8(bytes, `The reference file ${file}`)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
  if (texts.length === 0 || texts.length > MAX_REFERENCES) {
    throw new InvalidInputError(
      `The reference file ${file} must hold 1 to ${MAX_REFERENCES} texts, one a line, not ${texts.length}.`,
    )
  }
  return texts
}
