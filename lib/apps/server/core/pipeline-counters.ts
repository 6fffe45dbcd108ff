/** Metrics of loaders and workers, beside those of the engine. Labels are codes and phases: nothing of the corpus. */

import type { Registry } from 'prom-client'
import { setTimeout } from '../../../common/timers.js'
import type { BatchReport } from '../../../integrations/batch-report.js'

export interface PipelineCounters {
  add(batch: BatchReport): void
}

/** A scrape does not wait longer for a store or a queue that is away. */
const PATIENCE_MS = 2000

/** Registers them. @param left items that are left to do */
export function pipelineCounters(
  { Counter, Gauge }: typeof import('prom-client'),
  registry: Registry,
  left: () => Promise<number | undefined>,
): PipelineCounters {
  const registers = [registry]
  const batches = new Counter({
    name: 'bge_m3_pipeline_batches_total',
    help: 'Batches (of a worker: jobs) that are done.',
    registers,
  })
  const texts = new Counter({
    name: 'bge_m3_pipeline_texts_total',
    help: 'Texts of these batches, failed ones included.',
    registers,
  })
  const stored = new Counter({
    name: 'bge_m3_pipeline_stored_total',
    help: 'Texts whose embedding is in the store.',
    registers,
  })
  const failures = new Counter({
    name: 'bge_m3_pipeline_failures_total',
    help: 'Texts without an embedding, by code of the error (and SQLSTATE).',
    labelNames: ['code'],
    registers,
  })
  const phases = new Counter({
    name: 'bge_m3_pipeline_phase_seconds_total',
    help: 'Time of batches, which run side by side, by phase: claim, embed, write.',
    labelNames: ['phase'],
    registers,
  })
  new Gauge({
    name: 'bge_m3_pipeline_left',
    help: 'Items that are left to do, of all workers together; absent where nobody knows.',
    registers,
    async collect() {
      const now = await within(PATIENCE_MS, left())
      if (now === undefined) this.remove()
      else this.set(now)
    },
  })
  return {
    add(batch) {
      batches.inc()
      texts.inc(batch.texts)
      stored.inc(batch.stored)
      for (const [code, count] of Object.entries(batch.failed)) failures.inc({ code }, count)
      for (const [name, ms] of Object.entries(batch.phases)) {
        phases.inc({ phase: name.replace(/Ms$/, '') }, ms / 1000)
      }
    },
  }
}

function within<T>(milliseconds: number, promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([
    promise.catch(() => undefined),
    new Promise<undefined>((resolve) => {
      setTimeout(() => resolve(undefined), milliseconds).unref()
    }),
  ])
}
