/**
 * Node's timers and clock. A realm may lack the globals (jsdom has no `setImmediate`) or have them stand still: fake
 * timers replace those of `node:timers` as well. So they are taken once, when this is loaded.
 */
import { performance } from 'node:perf_hooks'
import * as timers from 'node:timers'
import { type AbortSignalLike, abortReason, throwIfAborted } from './abort.js'

export { performance }
export const { setTimeout, clearTimeout, setInterval, clearInterval } = timers
export const { setImmediate, clearImmediate } = timers

/** A turn of the event loop for everybody else. */
export const turn = (): Promise<undefined> =>
  new Promise((resolve) => void setImmediate(() => resolve(undefined)))

let line: Promise<unknown> = Promise.resolve()

/**
 * A turn in which nobody else who asks for one works: many who do large work in steps, each in turns of its own, keep
 * others waiting for one step, not for one step of each.
 */
export function ownTurn(): Promise<unknown> {
  line = line.then(turn)
  return line
}

/** @throws the signal's reason when it aborts before the time is over */
export async function sleep(milliseconds: number, signal?: AbortSignalLike): Promise<void> {
  throwIfAborted(signal)
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(abortReason(signal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener?.('abort', stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
