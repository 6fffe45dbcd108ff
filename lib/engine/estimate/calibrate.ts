/** Measures this machine with a few made-up batches, before anything real ran. */
import type { CostModel } from './cost-model.js'

/** Texts' lengths in tokens, batch by batch: few and many tokens, short texts and long. */
const SHAPES: readonly (readonly number[])[] = [
  [16],
  [128],
  [64, 64, 64, 64, 64, 64, 64, 64],
  [512],
  [1024],
]
const ROUNDS = 3
const BUDGET_MS = 1500

/** Embeds texts of so many tokens each; the model observes the batch, as it does any other. */
export type BatchRunner = (lengths: readonly number[]) => Promise<unknown>

export interface CalibrateOptions {
  /** Sum of `Output` bits. */
  outputs: number
  /** Tokens that a batch may have here (the model's limit, or memory's). */
  maxTokens: number
  /** Milliseconds after which no batch is begun that would go beyond. Default: 1500. */
  budgetMs?: number
  signal?: AbortSignal | undefined
}

/**
 * Teaches `model` from a few synthetic batches, smallest first, as many as the budget allows; at least
 * one. What `run` rejects with ends it.
 */
export async function calibrate(
  model: CostModel,
  run: BatchRunner,
  { outputs, maxTokens, budgetMs = BUDGET_MS, signal }: CalibrateOptions,
): Promise<void> {
  const shapes = SHAPES.filter((shape) => sum(shape) <= maxTokens)
  const fallback = [Math.max(2, Math.min(16, maxTokens))]
  const started = performance.now()
  const first = shapes[0] ?? fallback
  // memory is touched for the first time, threads start: that is no measure
  const isNew = !model.isReady
  await run(first)
  if (isNew) model.forget()
  for (let round = 0; round < ROUNDS; round++) {
    for (const lengths of shapes.length > 0 ? shapes : [fallback]) {
      signal?.throwIfAborted()
      if (model.isReady) {
        const batchTokens = sum(lengths)
        const { seconds } = model.predict(lengths, { batchTokens, outputs })
        if (performance.now() - started + seconds * 1000 > budgetMs) continue
      }
      await run(lengths)
    }
  }
}

/** Ids that look like a text of so many tokens: begin, ids from all over the vocabulary, end. */
export function syntheticIds(
  length: number,
  {
    begin,
    end,
    vocabSize,
    seed = 1,
  }: { begin: number; end: number; vocabSize: number; seed?: number },
): Int32Array {
  const ids = new Int32Array(length)
  let state = seed >>> 0
  for (let i = 0; i < length; i++) {
    // linear congruential generator of Numerical Recipes: any spread will do
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    ids[i] = Math.floor((state / 2 ** 32) * vocabSize)
  }
  ids[0] = begin
  ids[length - 1] = end
  return ids
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
