/** What is done with large bodies on the event loop: step by step, whoever sends how many of them. */

import { turn } from '../../../common/timers.js'

/** Bytes that take about a millisecond a step. */
const LARGE = 1 << 18

export class Steps {
  #last: Promise<unknown> = Promise.resolve()

  /** One step at a time, with a turn of the event loop before each; those with small bodies go at once. */
  async run<T>(bytes: number, step: () => T | Promise<T>): Promise<T> {
    if (bytes < LARGE) return step()
    const mine = this.#last.then(turn).then(step)
    this.#last = mine.catch(() => {})
    return mine
  }
}
