import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { performance } from '../../common/timers.js'
import type { Rates } from './rates.js'

/** Texts' lengths in tokens, batch by batch. */
const SHAPES = [[16], [128], Array<number>(8).fill(64), [512], [1024]]
const BUDGET_MS = 1500

/**
 * Measures this machine with a few made-up batches, smallest first, of classes of which nothing ran
 * yet; none that would end after `budgetMs`. `run` embeds texts of such lengths, and `rates` observes
 * it; what it rejects with ends this.
 */
export async function calibrate(
  rates: Rates,
  run: (lengths: readonly number[]) => Promise<unknown>,
  call: {
    outputs: number
    maxTokens: number
    signal?: AbortSignalLike | undefined
    budgetMs?: number
  },
): Promise<void> {
  const { outputs, maxTokens, signal, budgetMs = BUDGET_MS } = call
  const shapes = SHAPES.map((shape) => shape.map((length) => Math.min(length, maxTokens)))
  const unknown = shapes.filter((lengths) => !rates.covers([lengths], outputs))
  const started = performance.now()
  for (const lengths of [...unknown, ...unknown, ...unknown]) {
    throwIfAborted(signal)
    const ms = rates.predict([lengths], outputs)
    if (performance.now() + ms - started > budgetMs) continue
    await run(lengths)
    // the very first touches memory and starts threads: that is no measure to go by
    if (Number.isNaN(ms)) await run(lengths)
  }
}
