/** Embeddings without a model, and a store over the contract server. */

import type { EmbeddingData } from '../../../../lib/common/types.js'
import type { StoredChunk } from '../../../../lib/integrations/store.js'

export const DIMENSIONS = 8
export const MODEL = {
  dimensions: DIMENSIONS,
  fingerprint: 'f'.repeat(32),
  outputs: { dense: true, sparse: true, colbert: true },
}
export const ALL = { dense: true, sparse: true, colbert: true }

/** A small generator of numbers: the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

function unitRow(next: () => number, length: number): number[] {
  const row = Array.from({ length }, () => next() * 2 - 1)
  const norm = Math.hypot(...row)
  return row.map((value) => value / norm)
}

export function embedding(
  seed: number,
  { rows = 4, weights = 5, dimensions = DIMENSIONS } = {},
): EmbeddingData {
  const next = random(seed * 7919 + 1)
  const indices = new Set<number>()
  while (indices.size < weights) indices.add(Math.floor(next() * 40))
  return {
    dense: Float32Array.from(unitRow(next, dimensions)),
    sparse: {
      indices: Uint32Array.from([...indices].sort((a, b) => a - b)),
      values: Float32Array.from({ length: weights }, () => next() + 0.01),
    },
    colbert: {
      data: Float32Array.from(Array.from({ length: rows }, () => unitRow(next, dimensions)).flat()),
      rows,
      cols: dimensions,
    },
    tokenCount: rows + 1,
    truncated: false,
    cached: false,
    timings: { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs: 0 },
  }
}

export function stored(
  id: string,
  seed: number,
  more: { text?: string; metadata?: Record<string, unknown>; embedding?: EmbeddingData } = {},
): StoredChunk {
  const { text = `text ${seed}`, metadata } = more
  const made = more.embedding ?? embedding(seed)
  return {
    text,
    chunk: {
      id,
      metadata,
      embedding: made,
      norm: 1,
      model: MODEL.fingerprint,
      createdAt: new Date(0),
      timings: made.timings,
    },
  }
}
