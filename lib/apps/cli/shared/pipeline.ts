/** Items to windows, and windows through the engine: some ahead, results in order. */

import type { InputItem } from '../../../integrations/files/items.js'
import { isText } from '../../../integrations/files/items.js'

export interface WindowLimits {
  readonly items: number
  /** UTF-16 units of all texts; a longer text is a window of its own. */
  readonly units: number
}

/**
 * Cuts groups of items into windows. The end of a group ends a window: an interactive program that
 * wrote one line waits for its answer.
 */
export async function* windows(
  groups: AsyncIterable<InputItem[]>,
  limits: WindowLimits,
): AsyncGenerator<InputItem[]> {
  for await (const group of groups) {
    let window: InputItem[] = []
    let units = 0
    for (const item of group) {
      const size = isText(item) ? item.text.length : 0
      const isFull = window.length >= limits.items || units + size > limits.units
      if (window.length > 0 && isFull) {
        yield window
        window = []
        units = 0
      }
      window.push(item)
      units += size
    }
    if (window.length > 0) yield window
  }
}

/**
 * The results of `work`, in order, with `ahead` calls under way. A result is handed out as soon as its
 * turn has come, also while the source has nothing new.
 *
 * An error of the source comes after the results of what it gave before; an error of `work` ends it at
 * once, and calls under way are left to end by themselves.
 */
export async function* mapAhead<T, R>(
  source: AsyncIterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const iterator = source[Symbol.asyncIterator]()
  const running: Promise<R>[] = []
  let reading: Promise<void> | undefined
  let end: { error?: unknown } | undefined
  const read = async () => {
    try {
      const next = await iterator.next()
      if (next.done) {
        end = {}
        return
      }
      const result = work(next.value)
      // its error is met when its turn has come
      result.catch(() => {})
      running.push(result)
    } catch (error) {
      end = { error }
    } finally {
      reading = undefined
    }
  }
  try {
    for (;;) {
      if (!end && !reading && running.length < ahead) reading = read()
      const head = running[0]
      if (!head && !reading) break
      await Promise.race([head, reading].filter((promise) => promise !== undefined))
      if (head && (await isSettled(head))) {
        running.shift()
        yield await head
      }
    }
    if (end?.error !== undefined) throw end.error
  } finally {
    // a source that waits for input is not waited for: whoever opened it closes it
    void iterator.return?.()?.catch(() => {})
  }
}

const PENDING = Symbol('pending')

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([promise, PENDING]).catch(() => undefined)) !== PENDING
}
