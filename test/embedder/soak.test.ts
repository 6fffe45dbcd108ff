/** test/slow/embedder/soak.test.ts goes on for minutes, and looks for leaks as well. */
import { expect, it } from 'vitest'
import { soak } from './soak.js'

it('everything at once, and dispose gives everything back', async () => {
  expect((await soak(4)).length).toBeGreaterThan(0)
})
