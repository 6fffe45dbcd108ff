/** Options of streams, chunks and documents: `embed`'s, with other defaults. */

import { TimeoutError } from '../../common/errors.js'
import type { EmbedOptions } from '../../common/types.js'
import { readEnvironment, resolveOptions } from '../../options/table.js'

/** What is handed on to `embedSettled`. */
export type CoreOptions = Omit<EmbedOptions, 'timeout' | 'onProgress' | 'signal' | 'onError'>

export interface ResolvedOptions {
  core: CoreOptions
  /** Milliseconds. */
  timeout: number | undefined
  /** `undefined` where neither the call nor the environment says. */
  onError: 'throw' | 'collect' | undefined
  /** Dense vectors have length 1. */
  normalized: boolean
  /** Multi-vectors are asked for: they take much memory. */
  colbert: boolean
}

/** @throws InvalidInputError for options that are wrong */
export function resolveCallOptions(options: EmbedOptions): ResolvedOptions {
  const { timeout, onProgress: _, signal: __, onError, ...rest } = options
  const config = resolveOptions({ ...rest, timeout, onError })
  return {
    core: { ...rest, priority: config.priority ?? 'bulk' },
    timeout: config.timeout,
    onError: onError ?? readEnvironment().onError,
    normalized: config.normalize,
    colbert: config.outputs.colbert ?? false,
  }
}

/** A signal that follows the caller's and ends after `timeout` milliseconds. */
export function deadline(
  caller: AbortSignal | undefined,
  timeout: number | undefined,
): { signal: AbortSignal; clear(): void } {
  const controller = new AbortController()
  const onAbort = () => controller.abort(caller?.reason)
  if (caller?.aborted) onAbort()
  caller?.addEventListener('abort', onAbort, { once: true })
  const timer =
    timeout === undefined
      ? undefined
      : setTimeout(() => {
          const message = `The call took longer than its timeout of ${timeout} ms.`
          controller.abort(new TimeoutError(message))
        }, timeout)
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer)
      caller?.removeEventListener('abort', onAbort)
    },
  }
}
