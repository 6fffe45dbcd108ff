/** What a program without a logger is told: `BGE_M3_LOG_LEVEL` decides, read by a program in a process of its own. */
import { describe, expect, it } from 'vitest'
import { programLogger } from '../../lib/options/logger.js'
import { importPackage, root, runModule } from '../helpers/child.js'
import { tinyPath } from '../helpers/standins.js'

describe('programLogger', () => {
  it('is the caller’s own, else one for each level, and none at the default', () => {
    const given = {}
    const at = (BGE_M3_LOG_LEVEL?: string) => programLogger(undefined, { BGE_M3_LOG_LEVEL })
    expect(programLogger(given, { BGE_M3_LOG_LEVEL: 'debug' })).toBe(given)
    for (const level of [undefined, '', 'warn']) expect(at(level)).toBeUndefined()
    expect(Object.keys(at('silent') ?? { no: 1 })).toEqual([])
    expect(Object.keys(at('error') ?? {})).toEqual(['error'])
    expect(Object.keys(at('Info') ?? {})).toEqual(['error', 'warn', 'info'])
    expect(Object.keys(at('debug') ?? {})).toEqual(['error', 'warn', 'info', 'debug'])
    // or two embedders would say everything twice
    expect(at('debug')).toBe(at('DEBUG'))
    expect(() => at('loud')).toThrow(/BGE_M3_LOG_LEVEL must be one of/)
  })
})

describe('a program', () => {
  const run = async (level: string, own = '') => {
    const model = JSON.stringify(await tinyPath())
    const load = `const m3 = await Embedder.load({ model: ${model}${own} })
      const { PGlite } = await import('@electric-sql/pglite')
      const { loadTable } = await import(${JSON.stringify(`${root}/dist/postgres.js`)})
      const db = await PGlite.create()
      await db.exec("CREATE TABLE docs (id int PRIMARY KEY, body text, v float4[]); INSERT INTO docs VALUES (1, 'kanarienvogel')")
      await loadTable(m3, db, { table: 'docs', columns: { id: 'id', text: 'body', dense: 'v' } })
      await m3.dispose()`
    const env = { ...process.env, BGE_M3_LOG_LEVEL: level }
    const result = await runModule(`${importPackage}${load}`, { env })
    expect(result.code, result.stderr).toBe(0)
    expect(result.stdout).toBe('')
    expect(result.stderr).not.toContain('kanarienvogel')
    return result.stderr
  }

  it('hears its loaders and llama.cpp at the level it asks for', async () => {
    expect(await run('silent')).toBe('')
    const informed = await run('info')
    expect(informed).toMatch(/^bge-m3-node: info: postgres: batch \{"texts":1,/m)
    expect(informed).toMatch(/^bge-m3-node: warn: .*stand-in/m)
    // the program's own word counts
    expect(await run('debug', ', logger: {}')).not.toMatch(/debug/)
  })
})
