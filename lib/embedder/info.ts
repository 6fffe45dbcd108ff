/** What an embedder says of itself. */

import type { CacheStats } from '../common/cache-stats.js'
import { freeMemory } from '../common/free-memory.js'
import type { EmbedderInfo, EmbedderStats, Plan } from '../common/types.js'
import type { Engine, EngineStats } from '../engine/engine.js'
import type { NativeMachine } from '../native/addon.js'
import { loadAddon } from '../native/load.js'

/** What does not change while a process lives: asking the machine takes a tenth of a millisecond. */
let facts: NativeMachine | undefined

export function infoOf(engine: Engine, plan?: Plan): EmbedderInfo {
  const { info, prepared } = engine
  facts ??= loadAddon().machine()
  const machine = facts
  return {
    model: engine.path,
    fingerprint: prepared.fingerprint,
    name: info.name,
    architecture: info.architecture,
    pooling: info.pooling,
    dimensions: info.denseDim,
    colbertDimensions: prepared.colbertDim,
    layers: info.layers,
    vocabSize: info.vocabSize,
    maxTokens: engine.maxTokens,
    prompts: { ...prepared.prompts.texts },
    defaultPrompt: prepared.prompts.default,
    threads: engine.session.stats().threads,
    heads: [...prepared.headPaths],
    outputs: { ...prepared.outputs },
    standin: info.standin,
    packing: info.packsExactly,
    weightBytes: info.weightBytes,
    isa: machine.isa,
    quantization: machine.quantization,
    cpuFeatures: machine.cpuFeatures,
    plan,
    warnings: info.warnings,
  }
}

/** What is known also while the weights are not loaded. */
export interface Readings {
  stats: EngineStats
  cache: CacheStats | null
  fallbacks: number
  memoryLimit: number
  batchTokens: number
}

/** `engine` is undefined while the weights are not loaded. */
export function statsOf(engine: Engine | undefined, readings: Readings): EmbedderStats {
  const session = engine?.session.stats()
  const memory = engine?.memory.stats
  const { texts, tokens, batches, tokenizeMs, queueMs, computeMs } = readings.stats
  return {
    ...readings.stats,
    perText: {
      tokens: tokens / (texts || 1),
      tokenizeMs: tokenizeMs / (texts || 1),
      queueMs: queueMs / (texts || 1),
      computeMs: computeMs / (texts || 1),
    },
    perBatch: {
      texts: texts / (batches || 1),
      tokens: tokens / (batches || 1),
      computeMs: computeMs / (batches || 1),
    },
    fallbacks: readings.fallbacks,
    pending: engine?.scheduler.pending ?? 0,
    memory: {
      rss: loadAddon().machine().residentMemory,
      weights: engine?.info.weightBytes ?? 0,
      context: session?.contextBytes ?? 0,
      results: memory?.results ?? 0,
      limit: memory?.limit ?? readings.memoryLimit,
      free: freeMemory(),
      waitingCalls: memory?.waitingCalls ?? 0,
    },
    batchTokens: engine?.scheduler.batchTokens ?? readings.batchTokens,
    cache: readings.cache,
    contextTokens: session?.contextTokens ?? 0,
  }
}
