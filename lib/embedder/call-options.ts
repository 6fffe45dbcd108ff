/** One call's options: checked and completed. */

import { InvalidInputError, TimeoutError } from '../common/errors.js'
import type { EmbedOptions, Outputs, Precision } from '../common/types.js'
import type { Engine } from '../engine/engine.js'
import { Output } from '../native/addon.js'
import { type Config, checkOptions } from '../options/table.js'
import { checkDimensions } from '../outputs/embedding.js'

/** Options of one call, checked and completed. */
export interface CallOptions {
  outputs: Required<Outputs>
  /** Width of the model's states. */
  dim: number
  maxTokens: number
  truncate: 'error' | 'end'
  normalize: boolean
  dimensions: number | undefined
  precision: Precision
  collect: boolean
  priority: 'interactive' | 'bulk'
  /** Whether the caches are read and written. */
  cached: boolean
  signal: AbortSignal | undefined
  onProgress: EmbedOptions['onProgress']
}

/** Throws `InvalidInputError` for options that are wrong, or that this model cannot honour. */
export function resolveCall(
  engine: Engine,
  options: EmbedOptions,
  limits: { maxTokens: number; signal: AbortSignal | undefined; defaults: Config },
): CallOptions {
  const checked = checkOptions({ ...options })
  const config: Config = { ...limits.defaults, ...checked } as Config
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
    maxTokens: Math.min(checked.maxTokens ?? Number.POSITIVE_INFINITY, limits.maxTokens),
    truncate: config.truncate,
    normalize: config.normalize,
    dimensions: config.dimensions,
    precision: config.precision,
    collect: config.onError === 'collect',
    priority: config.priority ?? 'interactive',
    cached: checked.cache !== 0,
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

/** The caller's signal, joined with the call's timeout. */
export function withTimeout(
  options: EmbedOptions,
  defaults: Config,
): {
  signal: AbortSignal | undefined
  clear(): void
} {
  const timeout = checkOptions({ timeout: options.timeout }).timeout ?? defaults.timeout
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
