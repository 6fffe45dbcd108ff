/** One call's options: checked, completed, and applied to what the engine gave. */
import type { Engine } from './batching/engine.js'
import type { TextResult } from './batching/scheduler.js'
import type { TokenizedText } from './batching/tokens.js'
import { resolveOptions } from './config.js'
import { checkDimensions, finishColbert, finishDense } from './embedding.js'
import { InferenceError, InvalidInputError, TimeoutError } from './errors.js'
import { Output } from './native/addon.js'
import type { Embedding, EmbedOptions, Outputs, Precision } from './types.js'

/** Options of one call, checked and completed. */
export interface Call {
  outputs: Required<Outputs>
  /** Width of the model's states. */
  dim: number
  maxTokens: number
  truncate: 'error' | 'end'
  normalize: boolean
  dimensions: number | undefined
  precision: Precision
  collect: boolean
  signal: AbortSignal | undefined
  onProgress: EmbedOptions['onProgress']
}

/** Throws `InvalidInputError` for options that are wrong, or that this model cannot honour. */
export function resolveCall(
  engine: Engine,
  options: EmbedOptions,
  limits: { maxTokens: number; signal: AbortSignal | undefined },
): Call {
  const config = resolveOptions({ ...options, cache: undefined })
  const outputs = wantedOutputs(config.outputs, engine)
  const { dim } = engine.info
  checkDimensions(config.dimensions, dim)
  const width = config.dimensions ?? dim
  if (config.precision === 'binary' && width % 8 !== 0) {
    throw new InvalidInputError(
      `precision 'binary' packs 8 dimensions a byte; ${width} do not fit.`,
    )
  }
  return {
    outputs,
    dim,
    maxTokens: Math.min(options.maxTokens ?? Number.POSITIVE_INFINITY, limits.maxTokens),
    truncate: config.truncate,
    normalize: config.normalize,
    dimensions: config.dimensions,
    precision: config.precision,
    collect: config.onError === 'collect',
    signal: limits.signal,
    onProgress: options.onProgress,
  }
}

/** What was asked for, or an error that says why this model cannot give it. */
function wantedOutputs(asked: Outputs, engine: Engine): Required<Outputs> {
  const wanted = {
    dense: asked.dense ?? false,
    sparse: asked.sparse ?? false,
    colbert: asked.colbert ?? false,
  }
  for (const output of ['sparse', 'colbert'] as const) {
    if (!wanted[output] || engine.prepared.outputs[output]) continue
    throw new InvalidInputError(
      `This model gives no ${output} output: it has no ${output} head. bge-m3's heads are fetched by ` +
        '`bge-m3 model pull`, or named by the `heads` option; other models give dense only.',
    )
  }
  return wanted
}

/** The engine's bits for these outputs. */
export function outputBits({ sparse, colbert }: Required<Outputs>): number {
  return Output.dense | (sparse ? Output.sparse : 0) | (colbert ? Output.colbert : 0)
}

/** Throws `InferenceError` when the vector is not finite: damaged weights, never a result. */
export function embeddingOf(
  result: TextResult,
  text: TokenizedText,
  call: Call,
): Embedding<Precision> {
  if (!result.pooled.every(Number.isFinite)) {
    throw new InferenceError(
      'The model gave numbers that are not finite; its file may be damaged (bge-m3 model verify).',
    )
  }
  const embedding: Embedding<Precision> = {
    tokenCount: text.ids.length,
    truncated: text.truncated,
    cached: false,
    timings: { tokenizeMs: 0, queueMs: 0, computeMs: result.computeMs, totalMs: result.computeMs },
  }
  if (call.outputs.dense) embedding.dense = finishDense(result.pooled, call)
  if (result.sparse) embedding.sparse = result.sparse
  if (result.colbert) embedding.colbert = finishColbert(result.colbert, call.dim, call)
  return embedding
}

/** The caller's signal, joined with the call's timeout. */
export function withTimeout(options: EmbedOptions): {
  signal: AbortSignal | undefined
  clear(): void
} {
  const { timeout } = resolveOptions({ timeout: options.timeout })
  if (timeout === undefined) return { signal: options.signal, clear: () => {} }
  const controller = new AbortController()
  const timer = setTimeout(
    () =>
      controller.abort(new TimeoutError(`The call took longer than its timeout of ${timeout} ms.`)),
    timeout,
  )
  const signal = options.signal
    ? AbortSignal.any([options.signal, controller.signal])
    : controller.signal
  return { signal, clear: () => clearTimeout(timer) }
}
