/** The JSON of our own endpoints, as it travels. TEI's and OpenAI's shapes are in their routes. */

import type { Scores } from '../../../scoring/hybrid.js'

/** One token of a text. */
export interface WireToken {
  id: number
  /** The vocabulary's piece; `▁` (U+2581) stands for a space in front. */
  piece: string
  /** The piece for reading: `▁` is a space. Joined, the tokens give the text as the model saw it. */
  text: string
  /** `<s>`, `</s>` and the like. */
  special: boolean
  /** UTF-16 units of the text that was sent; absent for special tokens. */
  start?: number
  end?: number
}

/** One lexical weight. */
export interface WireWeight {
  /** Token id. */
  index: number
  /** The token's piece, as in `WireToken.piece`. */
  token: string
  weight: number
}

/** One text's answer of `POST /embed_all`. What was not asked for is absent. */
export interface WireEmbedding {
  /** Position among the inputs. */
  index: number
  dense?: number[]
  /** Ids ascend. */
  sparse?: WireWeight[]
  /** One row for every token but the first (`tokens[i + 1]` is row `i`). */
  colbert?: number[][]
  tokens?: WireToken[]
  tokenCount: number
  truncated: boolean
  cached: boolean
}

/** Number arrays as base64 of little-endian float32, with `encoding: 'base64'`. */
export interface WireEmbeddingBase64 extends Omit<WireEmbedding, 'dense' | 'colbert'> {
  dense?: string
  colbert?: { data: string; rows: number; cols: number }
}

/** `POST /embed_all`. */
export interface WireEmbedAllResponse {
  model: string
  dimensions: number
  embeddings: (WireEmbedding | WireEmbeddingBase64)[]
  usage: { tokens: number }
}

/** Which passage token answers a query token. */
export interface WireMatch {
  /** Indices into `query.tokens` and `passages[i].tokens`. */
  query: number
  passage: number
  /** Inner product of the two rows: the query token's addend of the ColBERT score, times the rows. */
  similarity: number
}

/** One passage's answer of `POST /similarity`. */
export interface WireSimilarity {
  index: number
  /** FlagEmbedding's five names; those that the model has no heads for are absent. */
  scores: Partial<Scores>
  tokenCount: number
  truncated: boolean
  /** With `tokens: true` or `alignment: true`. */
  tokens?: WireToken[]
  /** With `tokens: true`: the passage's lexical weights. */
  sparse?: WireWeight[]
  /** With `alignment: true`: the best passage token of every query token but the first. */
  alignment?: WireMatch[]
}

/** `POST /similarity`. */
export interface WireSimilarityResponse {
  model: string
  weights: [dense: number, sparse: number, colbert: number]
  query: {
    tokenCount: number
    truncated: boolean
    tokens?: WireToken[]
    sparse?: WireWeight[]
  }
  passages: WireSimilarity[]
  /**
   * With `matrix: true`: cosines of the dense vectors of the query (first) and the passages, each
   * with each.
   */
  matrix?: number[][]
}

/** `GET /stats`. Times in milliseconds, sizes in bytes. */
export interface WireStats {
  state: 'loading' | 'ready' | 'draining' | 'failed'
  uptimeSeconds: number
  /** Absent until the model is loaded. */
  model?: {
    name: string
    fingerprint: string
    architecture: string
    dimensions: number
    layers: number
    maxTokens: number
    threads: number
    isa: string
    outputs: { dense: boolean; sparse: boolean; colbert: boolean }
  }
  /** The re-ranker beside it, and what it has done since the start. */
  reranker?: {
    name: string
    fingerprint: string
    architecture: string
    layers: number
    maxTokens: number
    pairs: number
    tokens: number
    /** Pairs that wait or run. */
    pendingPairs: number
  }
  /** Means over the last `seconds` seconds. */
  throughput: {
    seconds: number
    requestsPerSecond: number
    textsPerSecond: number
    tokensPerSecond: number
    errorsPerSecond: number
  }
  /** Since the start, of requests that ask for work of the model. */
  totals: {
    requests: number
    texts: number
    tokens: number
    /** Answers of 4xx (without refusals) and 5xx. */
    errors: number
    /** 429 and 503. */
    refused: number
    cancelled: number
  }
  queue: {
    /** Requests with the embedder, and how many may be. */
    running: number
    concurrency: number
    /** Requests that wait for their turn, and how many may. */
    waiting: number
    capacity: number
    /** Texts that wait or run in the engine. */
    pendingTexts: number
    /** The requests of the last `throughput.seconds`. */
    waitMs: { mean: number; max: number }
  }
  memory: { rss: number; weights: number; context: number; heapUsed: number; limit?: number }
  /** Absent when the embedder has no cache. */
  cache?: {
    hits: number
    misses: number
    hitRate: number
    entries: number
    bytes: number
    limit: number
  }
  /** Means a text, of the last `throughput.seconds`. */
  stages: { tokenizeMs: number; queueMs: number; computeMs: number; totalMs: number }
  latency: { p50Ms: number; p90Ms: number; p99Ms: number }
}

/** Every error of our own endpoints and of `/v1/*`: OpenAI's body. */
export interface WireError {
  error: { message: string; type: string; param: string | null; code: string | null }
}
