import { expect, it } from 'vitest'
import { qualityReport } from '../../../lib/exports/quality.js'
import { seededRandom } from '../../../lib/scoring/random.js'
import { modelOf, unit } from '../../quality/data.js'

it('checks 10,000 vectors of 1,024 dimensions', () => {
  const base = modelOf(31, 1024, 12)(2500)
  const random = seededRandom(2)
  const many = base.flatMap((vector) => [
    vector,
    ...Array.from({ length: 3 }, () =>
      unit(vector.map((value) => value + (random() - 0.5) * 0.05)),
    ),
  ])
  const started = process.cpuUsage()
  const report = qualityReport(many)
  const { user, system } = process.cpuUsage(started)
  // about 3.5 s without SIMD on an idle machine
  console.info(`qualityReport of 10,000 x 1,024: ${((user + system) / 1e6).toFixed(1)} s of CPU`)
  expect(report).toMatchObject({ vectors: 10_000, flagged: 0 })
})
