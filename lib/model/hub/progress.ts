import { performance } from '../../common/timers.js'
import type { DownloadProgress } from '../../common/types.js'

type Phase = DownloadProgress['phase']

const WINDOW_MS = 5_000
const REPORT_EVERY_MS = 100

/** Turns byte counts into progress events with a rate over the last seconds, ten a second at most. */
export class ProgressMeter {
  private samples: { time: number; bytes: number }[] = []
  private phase: Phase | undefined
  private reported = Number.NEGATIVE_INFINITY

  constructor(
    private readonly file: Pick<DownloadProgress, 'file' | 'index' | 'count' | 'total'>,
    private readonly report: ((progress: DownloadProgress) => void) | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  update(phase: Phase, received: number): void {
    if (this.report === undefined) return
    const time = this.now()
    const isNew = phase !== this.phase
    const last = this.samples.at(-1)
    // Bytes that were there before, or were thrown away, are no throughput.
    if (isNew || (last !== undefined && received < last.bytes)) this.samples = []
    this.phase = phase
    if (this.samples.length < 2 || time - (this.samples.at(-2)?.time ?? 0) >= REPORT_EVERY_MS) {
      this.samples.push({ time, bytes: received })
    } else {
      this.samples[this.samples.length - 1] = { time, bytes: received }
    }
    while (this.samples.length > 2 && time - (this.samples[0]?.time ?? 0) > WINDOW_MS) {
      this.samples.shift()
    }
    const isEnd = received >= this.file.total
    if (!isNew && !isEnd && time - this.reported < REPORT_EVERY_MS) return
    this.reported = time
    const rate = this.rate()
    this.report({
      ...this.file,
      phase,
      received,
      rate,
      eta: rate > 0 ? ((this.file.total - received) / rate) * 1000 : undefined,
    })
  }

  /** Bytes per second. */
  private rate(): number {
    const first = this.samples[0]
    const last = this.samples.at(-1)
    if (first === undefined || last === undefined || last.time <= first.time) return 0
    return ((last.bytes - first.bytes) / (last.time - first.time)) * 1000
  }
}
