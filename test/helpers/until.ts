/** Waiting for a state, however long this machine takes. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Against hanging alone. */
const DEADLINE_MS = 240_000

/** @throws when it does not come */
export async function until(isThere: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await isThere())) {
    if (performance.now() > deadline) throw new Error('It did not happen.')
    await sleep(2)
  }
}

/** Waits until `value` stays the same for half a second, and returns it. */
export async function settled(value: () => number): Promise<number> {
  let before = Number.NaN
  await until(async () => {
    const isSame = value() === before
    before = value()
    if (!isSame) await sleep(500)
    return isSame
  })
  return before
}
