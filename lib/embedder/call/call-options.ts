/** One call's options: checked and completed, once, for `embed`, streams and documents. */
import type { AbortSignalLike } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import { checkFunction, checkSignal } from '../../common/given.js'
import type { Calibration, EmbedOptions, Outputs, Precision, Prompt } from '../../common/types.js'
import type { Engine } from '../../engine/engine.js'
import { Output } from '../../native/addon.js'
import { CALL_NAMES, type Config, checkOptions } from '../../options/table.js'
import { checkCalibration } from '../../outputs/calibration.js'

/** What the engine needs to know of a call. */
export interface CallOptions {
  outputs: Required<Outputs>
  normalize: boolean
  /** `undefined`: all. */
  dimensions: number | undefined
  precision: Precision
  calibration?: Calibration | undefined
  truncate: 'error' | 'end'
  /** `undefined`: the model's default, if it has one. */
  prompt?: Prompt | undefined
  /** `undefined`: the embedder's own limit. */
  maxTokens: number | undefined
  priority: 'interactive' | 'bulk'
  /** Whether the caches are read and written. */
  cache: boolean
  onError: 'throw' | 'collect'
  signal: AbortSignalLike | undefined
}

/** With what is the caller's business, and not the engine's. */
export interface ResolvedCall {
  call: CallOptions
  /** Milliseconds. */
  timeout: number | undefined
  onProgress: EmbedOptions['onProgress']
}

/**
 * @param defaults what the load, the environment and the table say
 * @param own what is the default of this kind of call
 * @param of what takes the options, for a message
 * @throws InvalidInputError for options that are wrong
 */
export function resolveCall(
  options: EmbedOptions,
  defaults: Config,
  own: Pick<CallOptions, 'priority' | 'onError'> & Partial<Pick<CallOptions, 'prompt'>>,
  of: string,
): ResolvedCall {
  const given = checkOptions(options, { names: CALL_NAMES, of })
  const { signal, onProgress, calibration } = options
  if (signal !== undefined) checkSignal(signal)
  if (onProgress !== undefined) checkFunction('onProgress', onProgress)
  if (calibration !== undefined) checkCalibration(calibration)
  return {
    call: {
      outputs: given.outputs ?? defaults.outputs,
      calibration,
      normalize: given.normalize ?? defaults.normalize,
      dimensions: given.dimensions ?? defaults.dimensions,
      precision: given.precision ?? defaults.precision,
      truncate: given.truncate ?? defaults.truncate,
      prompt: given.prompt ?? defaults.prompt ?? own.prompt,
      maxTokens: given.maxTokens,
      priority: given.priority ?? defaults.priority ?? own.priority,
      cache: given.cache !== 0,
      onError: given.onError ?? defaults.onError ?? own.onError,
      signal,
    },
    timeout: given.timeout ?? defaults.timeout,
    onProgress,
  }
}

/** @throws InvalidInputError for what this model cannot give */
export function checkAgainstModel(
  { outputs, dimensions, precision, calibration }: CallOptions,
  { info: { denseDim: dim }, prepared }: Engine,
): void {
  for (const output of ['sparse', 'colbert'] as const) {
    if (!outputs[output] || prepared.outputs[output]) continue
    throw new InvalidInputError(
      `This model gives no ${output} output: it has no ${output} head. bge-m3's heads are fetched by ` +
        '`bge-m3 model pull`, or named by the `heads` option; other models give dense only.',
    )
  }
  const width = dimensions ?? dim
  if (width > dim) {
    throw new InvalidInputError(
      `The option \`dimensions\` is ${width}, and this model's vectors have ${dim}.`,
    )
  }
  if (precision === 'binary' && width % 8 !== 0) {
    throw new InvalidInputError(
      `precision 'binary' packs 8 dimensions a byte; ${width} do not fit.`,
    )
  }
  if (calibration !== undefined) checkCalibrated(calibration, { outputs, precision }, width)
}

function checkCalibrated(
  { means }: Calibration,
  { outputs, precision }: Pick<CallOptions, 'outputs' | 'precision'>,
  width: number,
): void {
  if (precision !== 'int8' && precision !== 'binary') {
    throw new InvalidInputError(
      `The option \`calibration\` is for precision int8 and binary, not ${precision}.`,
    )
  }
  if (outputs.colbert || !outputs.dense) {
    throw new InvalidInputError(
      'The option `calibration` is for the dense output, without ColBERT.',
    )
  }
  if (means.length !== width) {
    throw new InvalidInputError(
      `The option \`calibration\` has ${means.length} dimensions, and the vectors have ${width}.`,
    )
  }
}

/** The engine's bits for these outputs. */
export function outputBits({ sparse, colbert }: Required<Outputs>): number {
  return Output.dense | (sparse ? Output.sparse : 0) | (colbert ? Output.colbert : 0)
}
