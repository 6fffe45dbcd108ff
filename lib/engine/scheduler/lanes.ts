/**
 * Whose turn it is. Interactive jobs go before bulk jobs, and among those of one kind the ones that
 * have not been served yet before the others, so a caller with one query does not wait for a caller
 * with a million. Jobs in one lane take turns, text by text. Nobody starves: a lane that was passed
 * over for long goes first once.
 */
import type { Entry, Job, Priority } from './job.js'

/** Batches that a lane with work may be passed over. */
const PATIENCE = 8

interface Lane {
  readonly priority: Priority
  readonly served: boolean
  jobs: Job[]
  passedOver: number
}

export interface BatchLimits {
  tokens: number
  texts: number
}

export class Lanes {
  readonly #lanes: readonly Lane[] = (['interactive', 'bulk'] as const).flatMap((priority) =>
    [false, true].map((served) => ({ priority, served, jobs: [], passedOver: 0 })),
  )

  /** Puts a job with work in its lane, unless it is there. */
  enter(job: Job): void {
    if (job.inLane || !job.hasWork) return
    job.inLane = true
    this.#laneOf(job).jobs.push(job)
  }

  leave(job: Job): void {
    if (!job.inLane) return
    job.inLane = false
    for (const lane of this.#lanes) lane.jobs = lane.jobs.filter((other) => other !== job)
  }

  /**
   * The entries of the next batch: of one kind of job and with the same outputs, so that nobody waits
   * for work or pays for outputs that only others want. The first entry is taken whatever its length.
   * `overdue`: it goes before others because it was passed over for long.
   */
  nextBatch(limits: BatchLimits): { entries: Entry[]; overdue: boolean } {
    const entries: Entry[] = []
    const { lane: first, overdue } = this.#firstLane()
    if (!first) return { entries, overdue }
    let room = limits.tokens
    const rest = this.#lanes.filter((lane) => lane !== first && lane.priority === first.priority)
    for (const lane of [first, ...rest]) {
      // each round gives every job in the lane one turn
      for (let took = true; took && entries.length < limits.texts && room > 0; ) {
        took = false
        for (const job of [...lane.jobs]) {
          if (entries.length >= limits.texts) break
          if (entries[0] && entries[0].outputs !== job.outputs) continue
          const entry = job.take(entries.length === 0 ? Number.POSITIVE_INFINITY : room)
          this.#moveOn(lane, job, entry !== undefined)
          if (!entry) continue
          // so that an identical text of the next job does not join twice
          entry.state = 'running'
          entries.push(entry)
          room -= entry.ids.length
          took = true
        }
      }
    }
    return { entries, overdue }
  }

  #laneOf(job: Job): Lane {
    return this.#lanes.find(
      (lane) => lane.priority === job.priority && lane.served === job.served,
    ) as Lane
  }

  #firstLane(): { lane: Lane | undefined; overdue: boolean } {
    for (const lane of this.#lanes) {
      lane.jobs = lane.jobs.filter((job) => {
        job.inLane = job.hasWork
        return job.inLane
      })
    }
    const ready = this.#lanes.filter((lane) => lane.jobs.length > 0)
    const overdue = ready.find((lane) => lane.passedOver >= PATIENCE)
    const lane = overdue ?? ready[0]
    for (const other of ready) other.passedOver = other === lane ? 0 : other.passedOver + 1
    return { lane, overdue: overdue !== undefined }
  }

  /** After its turn a job goes to the end of the line, of those that were served. */
  #moveOn(lane: Lane, job: Job, took: boolean): void {
    if (!took && job.hasWork) return
    lane.jobs.splice(lane.jobs.indexOf(job), 1)
    if (took) job.served = true
    job.inLane = job.hasWork
    if (job.inLane) this.#laneOf(job).jobs.push(job)
  }
}
