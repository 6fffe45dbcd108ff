/** Resident memory stays flat. `-- --times 10` makes it the thirty minutes that tell 1 MB a minute. */
import { expect, it } from 'vitest'
import { type Samples, soak } from '../../embedder/soak.js'
import { TIMES } from '../times.js'

const SECONDS = 180 * TIMES
/** Caches fill, the heap finds its size, allocators theirs. */
const WARM_UP = Math.min(300, SECONDS / 3)

/** Bytes a second of the least-squares line, and the standard error of that. */
function leastSquares(samples: Samples): { slope: number; error: number } {
  const n = samples.length
  const meanX = samples.reduce((sum, [x]) => sum + x, 0) / n
  const meanY = samples.reduce((sum, [, y]) => sum + y, 0) / n
  let xy = 0
  let xx = 0
  for (const [x, y] of samples) {
    xy += (x - meanX) * (y - meanY)
    xx += (x - meanX) ** 2
  }
  const slope = xy / xx
  const residual = samples.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0)
  return { slope, error: Math.sqrt(residual / (n - 2) / xx) }
}

/** How much higher the least of the second half is than the least of the first. */
function riseOfTheLeast(samples: Samples): number {
  const half = Math.floor(samples.length / 2)
  const least = (part: Samples) => Math.min(...part.map(([, bytes]) => bytes))
  return least(samples.slice(half)) - least(samples.slice(0, half))
}

// tried again once: a leak is there twice, a wave that looks like one hardly ever
const HOW = { retry: TIMES < 10 ? 1 : 0, timeout: (SECONDS + 180) * 1000 }

it(`memory stays flat for ${SECONDS / 60} minutes`, HOW, async () => {
  const warm = (await soak(SECONDS)).filter(([seconds]) => seconds > WARM_UP)
  const { slope, error } = leastSquares(warm)
  const perMinute = slope * 60
  const rise = riseOfTheLeast(warm)
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  console.info(
    `soak: ${mb(warm[0]?.[1] ?? 0)} after warm-up, ${mb(warm.at(-1)?.[1] ?? 0)} at the end, ` +
      `${mb(perMinute)} a minute (+- ${mb(error * 60)}), the least rose by ${mb(rise)}`,
  )
  // one every 10 s, fewer where others use the machine
  expect(warm.length).toBeGreaterThan((SECONDS - WARM_UP) / 30)
  if (TIMES >= 10) {
    expect(perMinute).toBeLessThan(1e6)
  } else {
    // The allocators' and the collector's waves are 10 MB high and minutes long: two minutes of
    // samples cannot tell 1 MB a minute from them, so a leak is what both measures see.
    const surely = perMinute - 2 * error * 60
    expect(Math.min(surely - 1e6, rise - 3e6), `${mb(surely)} a minute surely`).toBeLessThan(0)
  }
})
