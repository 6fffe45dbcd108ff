/** Signals of any make: Node's, a browser's or jsdom's, and those of packages from before Node had any. */
import { setMaxListeners } from 'node:events'
import type { AbortSignalLike } from './types.js'

export type { AbortSignalLike }

/** Why the signal has aborted. */
export function abortReason(signal: AbortSignalLike | undefined): unknown {
  return signal?.reason ?? Object.assign(new Error('The call was aborted.'), { name: 'AbortError' })
}

/** @throws the signal's reason once it has aborted */
export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted) throw abortReason(signal)
}

/** A controller whose signal may have any number of listeners. */
export function abortController(): AbortController {
  const controller = new AbortController()
  try {
    setMaxListeners(0, controller.signal)
  } catch {
    // a realm's own, such as jsdom's: it counts no listeners
  }
  return controller
}

/** For Node's own functions, which look for `aborted` and `addEventListener` alone. */
export const forNode = (signal: AbortSignalLike): AbortSignal => signal as AbortSignal
