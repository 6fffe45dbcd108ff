/** Signals of any make: Node's, a browser's or jsdom's, and those of packages from before Node had any. */
import { setMaxListeners } from 'node:events'

/** What ends work early: an `AbortSignal`, or whatever does what is asked of one here. */
export interface AbortSignalLike {
  /** Whether it has ended. */
  readonly aborted: boolean
  /** Why; without one it is an `AbortError`. */
  readonly reason?: unknown
  /** Tells when it ends. */
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  /** Tells no more. */
  removeEventListener?(type: 'abort', listener: () => void): void
}

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
