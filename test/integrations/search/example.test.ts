import { describe, expect, it } from 'vitest'
import { run } from '../../helpers/child.js'
import { tinyPath } from '../../helpers/standins.js'

describe('examples/search', () => {
  it('runs', async () => {
    const env = { ...process.env, BGE_M3_MODEL: await tinyPath() }
    const end = await run(process.execPath, ['examples/search/search.mjs'], { env })
    expect(end).toMatchObject({ code: 0, stderr: '' })
    expect(end.stdout).toMatch(
      /^\d+ files, \d+ chunks in .*\nand again: \d+ unchanged, 0 embedded\n/,
    )
    expect(end.stdout.match(/^docs\/.*:\d+ {2}\d\.\d{4}$/gm)).toHaveLength(3)
    expect(end.stdout).not.toMatch(/NaN|undefined|\[object/)
  })
})
