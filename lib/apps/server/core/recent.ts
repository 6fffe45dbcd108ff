/** Readings of the last seconds: a ring of one bucket a second. */
import { performance } from '../../../common/timers.js'

const SECONDS = 10
/** Latest durations, for percentiles. */
const SAMPLES = 1024

interface StageTimes {
  tokenizeMs: number
  queueMs: number
  computeMs: number
  totalMs: number
}

interface Bucket {
  second: number
  requests: number
  errors: number
  texts: number
  tokens: number
  waits: number
  waitMs: number
  maxWaitMs: number
  stages: StageTimes
}

export class Recent {
  readonly seconds = SECONDS
  #buckets: Bucket[] = Array.from({ length: SECONDS }, () => emptyBucket(-1))
  #durations = new Float64Array(SAMPLES)
  #durationCount = 0
  #now: () => number

  /** @param now seconds, for tests */
  constructor(now = () => performance.now() / 1000) {
    this.#now = now
  }

  request(milliseconds: number, isError: boolean): void {
    const bucket = this.#bucket()
    bucket.requests++
    if (isError) bucket.errors++
    this.#durations[this.#durationCount++ % SAMPLES] = milliseconds
  }

  wait(milliseconds: number): void {
    const bucket = this.#bucket()
    bucket.waits++
    bucket.waitMs += milliseconds
    bucket.maxWaitMs = Math.max(bucket.maxWaitMs, milliseconds)
  }

  text(tokens: number, stages: StageTimes): void {
    const bucket = this.#bucket()
    bucket.texts++
    bucket.tokens += tokens
    for (const stage of STAGES) bucket.stages[stage] += stages[stage]
  }

  /** Sums over the last `seconds`, the running second included. */
  get sums(): Omit<Bucket, 'second'> {
    const sums = emptyBucket(0)
    const oldest = Math.floor(this.#now()) - SECONDS
    for (const bucket of this.#buckets) {
      if (bucket.second <= oldest) continue
      sums.requests += bucket.requests
      sums.errors += bucket.errors
      sums.texts += bucket.texts
      sums.tokens += bucket.tokens
      sums.waits += bucket.waits
      sums.waitMs += bucket.waitMs
      sums.maxWaitMs = Math.max(sums.maxWaitMs, bucket.maxWaitMs)
      for (const stage of STAGES) sums.stages[stage] += bucket.stages[stage]
    }
    return sums
  }

  /** Milliseconds below which the given shares of the latest requests were answered; 0 without any. */
  percentiles(...shares: readonly number[]): number[] {
    const sorted = this.#durations.slice(0, Math.min(SAMPLES, this.#durationCount)).sort()
    return shares.map((share) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  }

  #bucket(): Bucket {
    const second = Math.floor(this.#now())
    const at = second % SECONDS
    const bucket = this.#buckets[at] as Bucket
    if (bucket.second === second) return bucket
    const fresh = emptyBucket(second)
    this.#buckets[at] = fresh
    return fresh
  }
}

const STAGES = ['tokenizeMs', 'queueMs', 'computeMs', 'totalMs'] as const

function emptyBucket(second: number): Bucket {
  const stages = { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs: 0 }
  return {
    second,
    requests: 0,
    errors: 0,
    texts: 0,
    tokens: 0,
    waits: 0,
    waitMs: 0,
    maxWaitMs: 0,
    stages,
  }
}
