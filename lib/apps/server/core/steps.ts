/** What is done with large bodies on the event loop: step by step, whoever sends how many of them. */

import { ownTurn } from '../../../common/timers.js'

/** Bytes that take about a millisecond a step. */
const LARGE = 1 << 18

/** One step at a time in this process, in a turn of the event loop of its own; those with small bodies go at once. */
export async function inStep<T>(bytes: number, step: () => T | Promise<T>): Promise<T> {
  if (bytes >= LARGE) await ownTurn()
  return step()
}
