/** Values of a source in groups: what it has at hand, and no waiting for more. */

import { turn } from '../../../common/timers.js'
import type { Source } from '../../../embedder/documents/source.js'

/**
 * Groups of up to `most` values. A source that has nothing ready keeps nothing back: the group goes as it
 * is. What the source throws comes after the values before it.
 */
export async function* grouped<T>(source: Source<T>, most: number): AsyncGenerator<T[]> {
  const iterator = iterate(source)
  let next: Promise<IteratorResult<T>> | undefined
  let isOpen = true
  try {
    for (;;) {
      next ??= advance(iterator)
      const group: T[] = []
      let end: { error?: unknown } | undefined
      // the first is waited for, the others come at once or later
      for (let step: Step<T> | undefined = await settled(next); step; ) {
        next = undefined
        if ('error' in step) end = { error: step.error }
        else if (step.result.done) end = {}
        else group.push(step.result.value)
        if (end || group.length >= most) break
        next = advance(iterator)
        step = await Promise.race([settled(next), turn()])
      }
      if (end) isOpen = false
      if (group.length > 0) yield group
      if (end && 'error' in end) throw end.error
      if (end) return
    }
  } finally {
    // a source that is busy is not waited for
    if (isOpen) await Promise.race([Promise.resolve(iterator.return?.()).catch(() => {}), turn()])
  }
}

type Step<T> = { result: IteratorResult<T> } | { error: unknown }

function iterate<T>(source: Source<T>): AsyncIterator<T> | Iterator<T | PromiseLike<T>> {
  return Symbol.asyncIterator in source
    ? source[Symbol.asyncIterator]()
    : (source as Iterable<T | PromiseLike<T>>)[Symbol.iterator]()
}

async function advance<T>(
  iterator: AsyncIterator<T> | Iterator<T | PromiseLike<T>>,
): Promise<IteratorResult<T>> {
  const result = await iterator.next()
  return result.done ? result : { done: false, value: await result.value }
}

function settled<T>(next: Promise<IteratorResult<T>>): Promise<Step<T>> {
  return next.then(
    (result) => ({ result }),
    (error) => ({ error }),
  )
}
