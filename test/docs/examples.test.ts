/** The examples run; those of the queue, Qdrant, search and Electron do in the tests of their areas. */
import { beforeAll, describe, expect, it } from 'vitest'
import { run } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'
import { startChromaServer } from '../integrations/frameworks/chroma-server.js'

let env: NodeJS.ProcessEnv
let model: string
beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('BGE_M3_') || name === 'BGE_M3_CACHE_DIR',
  )
  env = { ...Object.fromEntries(inherited), BGE_M3_MODEL: model }
})

describe('examples', () => {
  const example = (...args: string[]) => run(process.execPath, args, { env })

  it('first', async () => {
    const end = await example('examples/basic/first.mjs')
    expect(end).toMatchObject({ code: 0, stderr: '' })
    expect(end.stdout).toMatch(/^-?\d\.\d\d -?\d\.\d\d\n$/)
  })

  it.each([
    ['examples/langchain/search.mjs', 2],
    ['examples/ai-sdk/embed.mjs', 3],
    ['examples/llamaindex/retrieve.mjs', 2],
    ['examples/postgres/fill.mjs', 3],
  ])('%s', async (file, lines) => {
    const end = await example(file)
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout.trim().split('\n')).toHaveLength(lines)
    expect(end.stdout).not.toMatch(/NaN|undefined|\[object/)
  })

  it('chroma', async () => {
    const server = await startChromaServer()
    try {
      const end = await run(process.execPath, ['examples/chroma/collection.mjs'], {
        env: { ...env, CHROMA_PORT: String(server.port) },
      })
      expect(end.code, end.stderr).toBe(0)
      expect(end.stdout).toMatch(/^-?\d\.\d{4} \w+\n-?\d\.\d{4} \w+\n$/)
    } finally {
      await server.close()
    }
  })

  it('quickstart finds neighbours and says that they mean nothing', async () => {
    const end = await example('examples/basic/quickstart.mjs')
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout).toContain('Embedded 32 paragraphs')
    expect(end.stderr).toContain('STAND-IN')
    expect(end.stdout).toContain('these neighbours mean nothing')
  })

  it('batch collects errors', async () => {
    const end = await example('examples/batch/batch.mjs')
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout).toContain('38 embedded, 2 failed')
    expect(end.stdout).toContain('#7 INVALID_INPUT')
    expect(end.stdout).toContain('#19 INPUT_TOO_LONG')
    expect(end.stderr).toContain('40/40')
  })

  it('a model agrees with itself', async () => {
    const end = await example('examples/compare-models/compare.mjs', model, model)
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout).toContain('both agree on: 100.0 %')
  })
})
